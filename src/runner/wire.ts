import type { RunnerItem, runnerPaths } from '../contracts/runner.js';

/**
 * The paths of the runner's wire. The same texts as `runnerPaths` of contracts (the type allows no other), written again because importing
 * that module would load zod.
 */
export const paths: typeof runnerPaths = {
  hello: '/internal/v1/runner/hello',
  claim: '/internal/v1/runner/claim',
  report: '/internal/v1/runner/report',
  commands: '/internal/v1/runner/commands',
};

type WithoutNumber<T> = T extends unknown ? Omit<T, 'n'> : never;

/** A fact to report, before the outbox numbers it. */
export type Fact = WithoutNumber<RunnerItem>;

/** What one turn's facts are about. */
export interface TurnRef {
  turnId: string;
  attemptId: string;
}
