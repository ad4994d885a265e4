import { z } from 'zod';

/** The systems outside in which people ask for work and are answered. */
export const externalSystemSchema = z.enum(['github', 'linear']);
export type ExternalSystem = z.infer<typeof externalSystemSchema>;

/** The names people know them by. */
export const externalSystemNames: Record<ExternalSystem, string> = { github: 'GitHub', linear: 'Linear' };
