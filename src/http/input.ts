import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { z } from 'zod';
import { BerthError, type FieldError } from '../kernel/index.js';
import type { RouteContract } from '../contracts/index.js';
import { ROUTE } from './bind-route.js';
import { fieldErrors, UNKNOWN_FIELD } from './field-errors.js';

/** The validated parts of a request, typed by the route's contract: `@Input() input: InputOf<typeof createWorkspaceRoute>`. */
export type InputOf<T extends RouteContract> = {
  params: T extends { params: z.ZodType } ? z.output<T['params']> : undefined;
  query: T extends { query: z.ZodType } ? z.output<T['query']> : undefined;
  body: T extends { body: z.ZodType } ? z.output<T['body']> : undefined;
};

/** Validates path, query and body by the handler's contract; throws one `validation-failed` that lists everything wrong. */
export const Input = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const contract = Reflect.getMetadata(ROUTE, context.getHandler()) as RouteContract;
  return validateInput(contract, context.switchToHttp().getRequest<Request>());
});

export function validateInput(
  contract: RouteContract,
  request: Pick<Request, 'params' | 'query' | 'body' | 'headers'>,
) {
  const errors: FieldError[] = [];
  const part = (name: 'params' | 'query' | 'body', value: unknown): unknown => {
    const schema = contract[name];
    if (!schema) return undefined;
    const parsed = schema.safeParse(value);
    // Where any name is taken, zod leaves this one out without a word.
    if (parsed.success && name === 'body' && hasPrototype(value)) {
      errors.push({ path: 'body.__proto__', message: UNKNOWN_FIELD });
      return undefined;
    }
    if (parsed.success) return parsed.data;
    errors.push(
      ...parsed.error.issues.flatMap((issue) => fieldErrors(name === 'params' ? 'path' : name, value, issue)),
    );
    return undefined;
  };
  const input = {
    params: part('params', request.params),
    query: part('query', request.query),
    body: part('body', request.body),
  };
  if (errors.length > 0) throw invalid(errors);
  return input;
}

/** An answer stays short, whatever was sent: so many findings are listed, and so much of a path that the caller made up. */
const MAX_ERRORS = 50;
const MAX_PATH_CHARACTERS = 200;

/** One `validation-failed` for people: the first finding in words, all of them (up to a bound) as data. */
export function invalid(errors: FieldError[]): BerthError {
  const listed = errors
    .slice(0, MAX_ERRORS)
    .map(({ path, message }) => ({ path: path.slice(0, MAX_PATH_CHARACTERS), message }));
  const [first] = listed;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return new BerthError(
    'validation-failed',
    `${first?.path ?? 'input'}: ${first?.message ?? 'is not valid'}${more}`,
    { errors: listed },
  );
}

function hasPrototype(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__');
}
