import { applyDecorators, Delete, Get, HttpCode, Patch, Post, Put, SetMetadata } from '@nestjs/common';
import type { RouteContract } from '../contracts/index.js';

/** Where a handler's contract is kept; the guard refuses a handler that has none. */
export const ROUTE = 'berth:route';

const verbs = { GET: Get, POST: Post, PUT: Put, PATCH: Patch, DELETE: Delete } as const;

/** Binds a controller's method to a route contract: verb, path, status, who may call, and what is validated come from the one object. */
export function BindRoute(contract: RouteContract): MethodDecorator {
  const path = contract.path.replace(/\{(\w+)\}/g, ':$1');
  return applyDecorators(
    SetMetadata(ROUTE, contract),
    verbs[contract.method](path),
    HttpCode(contract.answer.status),
  );
}
