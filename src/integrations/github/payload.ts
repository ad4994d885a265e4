import { z } from 'zod';

/** GitHub's ids are numbers of up to 53 bits; here they are text, as everywhere in Berth. */
const id = z.int().positive().transform(String);
/** A login is part of an address of the API, so that one with a slash would ask about something else. Underscores: managed users. */
const login = z.string().regex(/^[A-Za-z0-9_-]{1,100}(\[bot\])?$/);
const fullName = z.string().regex(/^[A-Za-z0-9_-][\w.-]*\/(?!\.{1,2}$)[\w.-]+$/);
const text = z
  .string()
  .nullish()
  .transform((body) => body ?? '');

const personSchema = z.object({ id, login, type: z.string().default('User') });
/** Whose account is gone has none. */
const author = personSchema.nullish().transform((person) => person ?? null);
const via = z
  .object({ id })
  .nullish()
  .transform((app) => app?.id ?? null);
export type GithubPerson = z.output<typeof personSchema>;

/** Only what is used is asked for: anything may be added at any time, and old payloads have less (github.md 4). */
const deliverySchema = z.object({
  installation: z.object({ id }),
  sender: personSchema,
  repository: z.object({
    ...{ id, full_name: fullName, default_branch: z.string().optional() },
    ...{ private: z.boolean().optional(), visibility: z.string().optional() },
  }),
  changes: z.object({ body: z.object({ from: text }).optional() }).optional(),
});

const written = { id, node_id: z.string().min(1), body: text, user: author, html_url: z.string() };
const said = z.object({ ...written, performed_via_github_app: via });

const headSchema = z.object({
  ref: z.string(),
  sha: z.string(),
  /** Null: the fork is gone. */
  repo: z.object({ id }).nullish(),
});
/** A pull request, in events and as the API answers it. */
export const pullSchema = z.object({
  ...written,
  number: z.int(),
  title: z.string(),
  state: z.string(),
  head: headSchema,
  base: z.object({ ref: z.string(), repo: z.object({ id }) }),
});
export type GithubPull = z.output<typeof pullSchema>;

const issueSchema = z.object({
  ...written,
  number: z.int(),
  title: z.string(),
  state: z.string(),
  /** Only there when the issue is a pull request. */
  pull_request: z.object({}).nullish(),
});

/** A comment on a line, or on a file, of a pull request; in events and as the API answers it. */
export const lineCommentSchema = z.object({
  ...written,
  performed_via_github_app: via,
  path: z.string(),
  line: z.int().nullish(),
  /** Where the line was, when it is there no more. */
  original_line: z.int().nullish(),
  start_line: z.int().nullish(),
  diff_hunk: z.string().default(''),
  pull_request_review_id: id.nullish(),
  in_reply_to_id: id.nullish(),
});
export type GithubLineComment = z.output<typeof lineCommentSchema>;

/** By event: what of it can speak to the bot. */
export const spokenSchemas = {
  issue_comment: deliverySchema.extend({ comment: said, issue: issueSchema }),
  pull_request_review_comment: deliverySchema.extend({
    comment: lineCommentSchema,
    pull_request: pullSchema,
  }),
  pull_request_review: deliverySchema.extend({ review: said, pull_request: pullSchema }),
  pull_request: deliverySchema.extend({ pull_request: pullSchema.extend({ performed_via_github_app: via }) }),
  issues: deliverySchema.extend({ issue: said.extend(issueSchema.shape) }),
};
