import type { z } from 'zod';
import { upstreamSchema } from '../../contracts/agents.js';

/** The wires that have a port of their own here. */
export const portUpstreamSchema = upstreamSchema.extract(['anthropic', 'openai']);
export type PortUpstream = z.infer<typeof portUpstreamSchema>;
