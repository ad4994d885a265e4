import { z } from 'zod';
import type { TurnState } from '../../contracts/index.js';
import { clip } from './words.js';

const toolSchema = z.object({ name: z.string(), parameter: z.string(), result: z.string().optional() });

/** Whether so much time has gone by since the last word that whoever listens takes the work for dead. */
export function isSilent(lastWordAt: Date, maxSilenceSeconds: number, now: Date): boolean {
  return now.getTime() - lastWordAt.getTime() >= maxSilenceSeconds * 1000;
}

/** That a turn goes on, in words: with the tool that it was told to use last, as long as nobody told what came of it. */
export function goingOn(state: TurnState, lastTool: unknown): string {
  if (state === 'queued') return 'Still waiting for its turn.';
  if (state === 'reauthenticating') return 'Still waiting for a login that is accepted.';
  const tool = toolSchema.safeParse(lastTool).data;
  if (!tool || tool.result !== undefined) return 'Still working.';
  return `Still working: ${clip(`${tool.name} ${tool.parameter}`)}`;
}
