import { authorOf, repositoryOf } from './github-access.js';
import {
  GithubRefusal,
  invalid,
  notFound,
  numberOf,
  page,
  route,
  textOf,
  type GithubAnswer,
  type GithubCall,
  type GithubRoute,
} from './github-call.js';
import { BODY_LIMIT, react, REACTIONS } from './github-conversations.js';
import { commentView, issueView, reactionView } from './github-views.js';
import type {
  GithubRepository,
  GithubWorld,
  GithubComment,
  GithubPull,
  GithubReaction,
} from './github-world.js';

const ISSUES = ['issues', 'pull_requests'];

/** The calls about conversations: comments on pull requests and issues, replies on lines, reactions. */
export function conversationRoutes(world: GithubWorld): GithubRoute[] {
  return [
    route('GET /repos/:owner/:repo/issues/:number', (call) => {
      const repository = repositoryOf(world, call, ISSUES, 'read');
      return { status: 200, body: issueView(world, repository, pullIn(repository, call)) };
    }),
    ...issueCommentRoutes(world),
    ...reviewCommentRoutes(world),
    ...reactionRoutes(world),
  ];
}

function issueCommentRoutes(world: GithubWorld): GithubRoute[] {
  const content = { content: true };
  const view = (repository: GithubRepository, comment: GithubComment): unknown =>
    commentView(world, repository, comment);
  return [
    route('GET /repos/:owner/:repo/issues/:number/comments', (call) => {
      const repository = repositoryOf(world, call, ISSUES, 'read');
      const { number } = pullIn(repository, call);
      const since = call.query.get('since') ?? '';
      const all = repository.comments.filter(
        (comment) => comment.kind === 'issue' && comment.number === number && comment.updatedAt >= since,
      );
      return page(call, all, (items) => items.map((comment) => view(repository, comment)));
    }),
    route(
      'POST /repos/:owner/:repo/issues/:number/comments',
      (call) => {
        const repository = repositoryOf(world, call, ISSUES, 'write');
        const { number } = pullIn(repository, call);
        const comment = newComment(world, call, number, null);
        repository.comments.push(comment);
        return { status: 201, body: view(repository, comment) };
      },
      content,
    ),
    route('GET /repos/:owner/:repo/issues/comments/:id', (call) => {
      const repository = repositoryOf(world, call, ISSUES, 'read');
      return { status: 200, body: view(repository, commentIn(repository, call, 'issue')) };
    }),
    route(
      'PATCH /repos/:owner/:repo/issues/comments/:id',
      (call) => edit(world, call, ISSUES, 'issue'),
      content,
    ),
    route('DELETE /repos/:owner/:repo/issues/comments/:id', (call) => {
      const repository = repositoryOf(world, call, ISSUES, 'write');
      const comment = commentIn(repository, call, 'issue');
      repository.comments = repository.comments.filter((one) => one !== comment);
      return { status: 204 };
    }),
  ];
}

function reviewCommentRoutes(world: GithubWorld): GithubRoute[] {
  const pulls = ['pull_requests'];
  return [
    route('GET /repos/:owner/:repo/pulls/:number/comments', (call) => {
      const repository = repositoryOf(world, call, pulls, 'read');
      const { number } = pullIn(repository, call);
      const all = repository.comments.filter(
        (comment) => comment.kind === 'review' && comment.number === number,
      );
      return page(call, all, (items) => items.map((comment) => commentView(world, repository, comment)));
    }),
    route('GET /repos/:owner/:repo/pulls/comments/:id', (call) => {
      const repository = repositoryOf(world, call, pulls, 'read');
      const comment = commentIn(repository, call, 'review');
      return { status: 200, body: commentView(world, repository, comment) };
    }),
    route('PATCH /repos/:owner/:repo/pulls/comments/:id', (call) => edit(world, call, pulls, 'review'), {
      content: true,
    }),
    route(
      'POST /repos/:owner/:repo/pulls/:number/comments/:id/replies',
      (call) => {
        const repository = repositoryOf(world, call, pulls, 'write');
        const { number } = pullIn(repository, call);
        const parent = commentIn(repository, call, 'review');
        if (parent.number !== number || !parent.review) throw notFound();
        // A thread is one level deep: replies hang on its first comment.
        const inReplyToId = parent.review.inReplyToId ?? parent.id;
        const review = { ...parent.review, reviewId: world.nextId(), inReplyToId };
        const comment = newComment(world, call, number, review);
        repository.comments.push(comment);
        return { status: 201, body: commentView(world, repository, comment) };
      },
      { content: true },
    ),
  ];
}

function reactionRoutes(world: GithubWorld): GithubRoute[] {
  type Found = {
    names: string[];
    find: (repository: GithubRepository, call: GithubCall) => { reactions: GithubReaction[] };
  };
  const places: Record<string, Found> = {
    'issues/:number': { names: ISSUES, find: pullIn },
    'issues/comments/:id': {
      names: ISSUES,
      find: (repository, call) => commentIn(repository, call, 'issue'),
    },
    'pulls/comments/:id': {
      names: ['pull_requests'],
      find: (repository, call) => commentIn(repository, call, 'review'),
    },
  };
  return Object.entries(places).flatMap(([path, { names, find }]) => [
    route(`GET /repos/:owner/:repo/${path}/reactions`, (call) => {
      const { reactions } = find(repositoryOf(world, call, names, 'read'), call);
      return page(call, reactions, (items) => items.map(reactionView));
    }),
    route(
      `POST /repos/:owner/:repo/${path}/reactions`,
      (call) => addReaction(world, call, find(repositoryOf(world, call, names, 'write'), call)),
      { content: true },
    ),
  ]);
}

function addReaction(
  world: GithubWorld,
  call: GithubCall,
  place: { reactions: GithubReaction[] },
): GithubAnswer {
  const content = textOf(call, 'content');
  if (!REACTIONS.includes(content)) throw invalid(`content is not one of ${REACTIONS.join(', ')}`);
  const reaction = { id: world.nextId(), content, user: authorOf(call).user };
  const there = react(place.reactions, reaction);
  return { status: there ? 200 : 201, body: reactionView(there ?? reaction) };
}

/** The pull request or issue of a call's path. Throws 404. */
export function pullIn(repository: GithubRepository, call: GithubCall): GithubPull {
  const pull = repository.pulls.get(numberOf(call, 'number'));
  if (!pull) throw notFound();
  return pull;
}

function commentIn(
  repository: GithubRepository,
  call: GithubCall,
  kind: GithubComment['kind'],
): GithubComment {
  const id = numberOf(call, 'id');
  const comment = repository.comments.find((one) => one.kind === kind && one.id === id);
  if (!comment) throw notFound();
  return comment;
}

function newComment(
  world: GithubWorld,
  call: GithubCall,
  number: number,
  review: GithubComment['review'],
): GithubComment {
  const body = bodyOf(call);
  const { user, app } = authorOf(call);
  const id = world.nextId();
  const kind = review ? 'review' : 'issue';
  const nodeId = `${review ? 'PRRC' : 'IC'}_${id}`;
  const times = { createdAt: call.now, updatedAt: call.now };
  return { kind, id, nodeId, number, user, app, body, ...times, reactions: [], review };
}

function edit(
  world: GithubWorld,
  call: GithubCall,
  names: string[],
  kind: GithubComment['kind'],
): GithubAnswer {
  const repository = repositoryOf(world, call, names, 'write');
  const comment = commentIn(repository, call, kind);
  if (comment.user.id !== authorOf(call).user.id)
    throw new GithubRefusal(403, 'Must have admin rights to Repository.');
  comment.body = bodyOf(call);
  comment.updatedAt = call.now;
  return { status: 200, body: commentView(world, repository, comment) };
}

/** The text, within GitHub's limit. Throws 422. */
export function bodyOf(call: GithubCall): string {
  const body = textOf(call, 'body');
  if (body.length > BODY_LIMIT) throw invalid(`body is too long (maximum is ${BODY_LIMIT} characters)`);
  return body;
}
