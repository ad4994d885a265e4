import { readFileSync } from 'node:fs';
import { Seeded } from './seeded.js';
import type { ToldCluster } from './told-cluster.js';
import { fromGithub, fromLinear, type SignedDelivery } from './webhooks.js';

/** What goes on in repositories and issues all day, and asks for nothing: as it was recorded. */
const OF_GITHUB = [
  'issue_comment.created.on-pull-request',
  'issue_comment.edited.on-issue',
  'issues.opened',
  'pull_request.opened',
  'pull_request_review.submitted',
  'pull_request_review_comment.created',
  'workflow_run.completed',
];
const OF_LINEAR = ['issue.create.recorded', 'issue.update.recorded', 'comment.create.recorded'];

type Payload = Record<string, unknown>;

/** Makes deliveries that ask for nothing, each with an id of its own, of organizations and systems that a seed chooses. */
export function ordinaryDeliveries(told: ToldCluster, seed: number): () => SignedDelivery {
  const seeded = new Seeded(seed);
  const github = OF_GITHUB.map((name) => ({
    event: name.split('.')[0] ?? '',
    payload: read('github', name),
  }));
  const linear = OF_LINEAR.map((name) => read('linear', name));
  return () => {
    const organization = seeded.of(told.organizations);
    if (seeded.below(2) === 0) {
      const { id: organizationId } = organization.linear.organization;
      return fromLinear(told.linear.app.webhookSecret, { ...seeded.of(linear), organizationId });
    }
    const { event, payload } = seeded.of(github);
    const { id } = organization.github.installation;
    return fromGithub(told.app.webhookSecret ?? '', event, { ...payload, installation: { id } });
  };
}

function read(system: string, name: string): Payload {
  const file = new URL(`../fixtures/${system}/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Payload;
}
