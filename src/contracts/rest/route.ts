import { z } from 'zod';

/**
 * Who may call a route. `public`: anyone. `person`: a signed-in person or API key, of whichever organization. `member`, `admin`: a member of `{org}`, with
 * the role admin or owner for the latter. `instance-administrator`: who runs this Berth. `runner`, `proxy`: the two machine identities.
 */
export type Access = 'public' | 'person' | 'member' | 'admin' | 'instance-administrator' | 'runner' | 'proxy';

export interface RouteContract {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path with parameters in braces, as in OpenAPI. */
  path: string;
  access: Access;
  /** Of a public route: who does sign in is known to the handler. A credential that is not valid is refused here as anywhere. */
  mayBeSignedIn?: boolean;
  /** Its effect lies at another system: it is carried out in no transaction, and with an Idempotency-Key its answer is kept afterwards. What it did it must know by itself. */
  apart?: true;
  summary: string;
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: z.ZodType;
  /** Status of success and the shape of its body; null for none. */
  answer: { status: 200 | 201 | 202 | 204; body: z.ZodType | null; contentType?: string };
}

/** A route as data: the controller is bound to it, the input is validated by it, OpenAPI is written from it. */
export function route<T extends RouteContract>(contract: T): T {
  return contract;
}

export type Body<T extends RouteContract> = T extends { body: z.ZodType } ? z.output<T['body']> : never;
export type Answer<T extends RouteContract> = T['answer']['body'] extends z.ZodType
  ? z.input<T['answer']['body']>
  : undefined;

export const MAX_PAGE = 100;

/** `?limit=&cursor=` of every list; the cursor is opaque to callers. */
export const pageQuerySchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(50),
  cursor: z.string().max(200).optional(),
});
export type PageQuery = z.output<typeof pageQuerySchema>;

export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });

/** Times as they are sent: ISO 8601 in UTC. */
export const timeSchema = z.iso.datetime();

/** `{org}`: slug or id. */
export const organizationParams = z.strictObject({ org: z.string().min(1).max(100) });
/** A path id; any well-formed UUID, the store decides whether it exists. In lower case from here on: ids are also keys of maps and names of folders. */
export const idSchema = z.uuid('must be an id (a UUID)').toLowerCase();

/** RFC 9457. `code` is stable; `requestId` is what to quote when asking for help. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  requestId: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});
export type Problem = z.infer<typeof problemSchema>;
