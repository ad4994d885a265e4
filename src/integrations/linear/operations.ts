import { z } from 'zod';

/** What is asked of Linear: one operation each, with no more than is used, since each object and property has its price (linear.md 5). */

export const IDENTITY = `query identity {
  viewer { id name displayName email app active }
  organization { id name urlKey }
}`;

const personSchema = z.object({
  id: z.string(),
  name: z.string(),
  displayName: z.string(),
  email: z.string(),
  app: z.boolean(),
  active: z.boolean(),
});
export type LinearPerson = z.output<typeof personSchema>;

export const identitySchema = z.object({
  viewer: personSchema,
  organization: z.object({ id: z.string(), name: z.string(), urlKey: z.string() }),
});
export type Identity = z.output<typeof identitySchema>;

/** Who asked, as they are now, what of the issue no webhook tells (labels, project), and who wrote the words where that is not told either. */
export const FACTS = `query facts($issue: String!, $user: String!, $asks: Boolean!, $comment: String!, $written: Boolean!) {
  user(id: $user) @include(if: $asks) { id name displayName email app active }
  comment(id: $comment) @include(if: $written) { body user { app } }
  issue(id: $issue) {
    id identifier title url description
    team { id key }
    project { name }
    labels(first: 50) { nodes { name } }
  }
}`;

export const factsSchema = z.object({
  comment: z.object({ body: z.string(), user: z.object({ app: z.boolean() }).nullish() }).optional(),
  user: personSchema.optional(),
  issue: z.object({
    id: z.string(),
    identifier: z.string(),
    title: z.string(),
    url: z.string(),
    description: z.string().nullish(),
    team: z.object({ id: z.string(), key: z.string() }),
    project: z.object({ name: z.string() }).nullish(),
    labels: z.object({ nodes: z.array(z.object({ name: z.string() })) }),
  }),
});
export type IssueFacts = z.output<typeof factsSchema>['issue'];
export type Written = NonNullable<z.output<typeof factsSchema>['comment']>;

/** Linear's own guess which repository an issue is about. */
export const SUGGESTIONS = `query suggestions($issue: String!, $session: String!, $candidates: [CandidateRepository!]!) {
  issueRepositorySuggestions(issueId: $issue, agentSessionId: $session, candidateRepositories: $candidates) {
    suggestions { repositoryFullName hostname confidence }
  }
}`;

export const suggestionsSchema = z.object({
  issueRepositorySuggestions: z.object({
    suggestions: z.array(
      z.object({ repositoryFullName: z.string(), hostname: z.string().nullish(), confidence: z.number() }),
    ),
  }),
});

/** What begins with the work: which state the issue is in, and which its team has for what is begun. */
export const STANDING = `query standing($issue: String!) {
  issue(id: $issue) {
    state { type }
    delegate { id }
    team { states(first: 100) { nodes { id type position } } }
  }
}`;

export const standingSchema = z.object({
  issue: z.object({
    state: z.object({ type: z.string() }),
    delegate: z.object({ id: z.string() }).nullish(),
    team: z.object({
      states: z.object({
        nodes: z.array(z.object({ id: z.string(), type: z.string(), position: z.number() })),
      }),
    }),
  }),
});
export type Standing = z.output<typeof standingSchema>['issue'];

export const UPDATE_ISSUE = `mutation updateIssue($issue: String!, $input: IssueUpdateInput!) {
  issueUpdate(id: $issue, input: $input) { success }
}`;

export const CREATE_ACTIVITY = `mutation createActivity($input: AgentActivityCreateInput!) {
  agentActivityCreate(input: $input) { success agentActivity { id } }
}`;

export const FIND_ACTIVITY = `query activity($id: String!) { agentActivity(id: $id) { id } }`;

export const UPDATE_SESSION = `mutation updateSession($session: String!, $input: AgentSessionUpdateInput!) {
  agentSessionUpdate(id: $session, input: $input) { success }
}`;

export const LINK_PULL_REQUEST = `mutation linkPullRequest($issue: String!, $url: String!, $title: String!) {
  attachmentLinkGitHubPR(issueId: $issue, url: $url, title: $title) { success }
}`;

export const LINK_URL = `mutation linkUrl($issue: String!, $url: String!, $title: String!) {
  attachmentLinkURL(issueId: $issue, url: $url, title: $title) { success }
}`;
