import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { BerthError } from '../kernel/index.js';
import type { Machine, Actor, Person } from './actor.js';

/** What the guard found out about the caller, put on the request by it alone. */
export interface Caller {
  person?: Person;
  actor?: Actor;
  machine?: Machine;
}

const callers = new WeakMap<object, Caller>();

/** A WeakMap and not a property: nothing in a request's headers or body can ever end up as its caller. */
export function setCaller(request: object, caller: Caller): void {
  callers.set(request, caller);
}

/** What the guard found out; empty where a route asks for nobody. */
export function callerOf(request: object): Caller {
  return callers.get(request) ?? {};
}

function needed<K extends keyof Caller>(context: ExecutionContext, key: K): NonNullable<Caller[K]> {
  const value = callerOf(context.switchToHttp().getRequest<object>())[key];
  if (!value) throw new BerthError('internal', `A handler asked for the ${key} of a route that has none.`);
  return value;
}

/** The signed-in person; for routes without an organization. */
export const CurrentPerson = createParamDecorator((_: unknown, context: ExecutionContext) =>
  needed(context, 'person'),
);
/** Who is signed in, or null; for public routes that may be signed in to. */
export const CurrentPersonIfAny = createParamDecorator(
  (_: unknown, context: ExecutionContext): Person | null =>
    callers.get(context.switchToHttp().getRequest<object>())?.person ?? null,
);

/** The member who acts; for routes of an organization. */
export const CurrentActor = createParamDecorator((_: unknown, context: ExecutionContext) =>
  needed(context, 'actor'),
);
/** The runner or proxy that calls. */
export const CurrentMachine = createParamDecorator((_: unknown, context: ExecutionContext) =>
  needed(context, 'machine'),
);
