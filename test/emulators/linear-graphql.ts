import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildSchema,
  execute,
  getNamedType,
  getNullableType,
  GraphQLError,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  OperationTypeNode,
  parse,
  TypeInfo,
  validate,
  visit,
  visitWithTypeInfo,
  Kind,
  type DocumentNode,
  type FieldNode,
  type GraphQLFieldResolver,
  type GraphQLOutputType,
} from 'graphql';
import { z } from 'zod';
import type { LinearRoots } from './linear-roots.js';

const schema = buildSchema(readFileSync(join(import.meta.dirname, 'linear-schema.graphql'), 'utf8'));
const requestSchema = z.object({
  query: z.string(),
  variables: z.record(z.string(), z.unknown()).nullish(),
});

/** One operation, read and held against the schema. */
export interface LinearOperation {
  document: DocumentNode;
  variables: Record<string, unknown>;
  /** The first root field: `issue`, `agentActivityCreate`, … */
  name: string;
  isMutation: boolean;
  /** linear.md 5: 0.1 per property, 1 per object, connections times what is asked of them. */
  complexity: number;
}

/** Reads a request; null when it is no GraphQL or asks for what is not there, and then why. */
export function readOperation(text: string): {
  operation: LinearOperation | null;
  errors: readonly GraphQLError[];
} {
  try {
    const { query, variables } = requestSchema.parse(JSON.parse(text));
    const document = parse(query);
    const errors = validate(schema, document).map(
      ({ message }) => new GraphQLError(message, { extensions: INVALID }),
    );
    if (errors.length > 0) return { operation: null, errors };
    const definition = document.definitions.find((each) => each.kind === Kind.OPERATION_DEFINITION);
    const first = definition?.selectionSet.selections.find((each) => each.kind === Kind.FIELD);
    return {
      operation: {
        document,
        variables: variables ?? {},
        name: first?.name.value ?? '',
        isMutation: definition?.operation === OperationTypeNode.MUTATION,
        complexity: complexityOf(document, variables ?? {}),
      },
      errors: [],
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : 'not understood';
    return { operation: null, errors: [new GraphQLError(message, { extensions: INVALID })] };
  }
}

const INVALID = { type: 'graphql error', code: 'GRAPHQL_VALIDATION_FAILED', statusCode: 400 };

/** Carries an operation out. */
export async function run(
  { document, variables }: LinearOperation,
  roots: LinearRoots,
): Promise<{ data?: unknown; errors?: readonly object[] }> {
  // Its questions and acts are values of its own, each bound to it.
  const rootValue = Object.assign(Object.create(roots) as object, { organization: roots.organizationView });
  const { data, errors } = await execute({
    schema,
    document,
    rootValue,
    variableValues: variables,
    fieldResolver: resolve,
  });
  return { data, ...(errors ? { errors: errors.map((error) => error.toJSON()) } : {}) };
}

/** What a view has, or something of the right type where the real one always has something. */
const resolve: GraphQLFieldResolver<unknown, unknown> = (source, args: object, _context, info) => {
  const value = (source as Record<string, unknown>)[info.fieldName];
  const given = typeof value === 'function' ? (value as (args: object) => unknown)(args) : value;
  return given ?? (isNonNullType(info.returnType) ? emptyOf(info.returnType) : null);
};

function emptyOf(type: GraphQLOutputType): unknown {
  const bare = getNullableType(type);
  if (isListType(bare)) return [];
  if (isEnumType(bare)) return bare.getValues()[0]?.value;
  if (!isLeafType(bare)) return isObjectType(bare) ? {} : null;
  return EMPTY[bare.name] ?? '';
}

const EMPTY: Record<string, unknown> = {
  Float: 0,
  Int: 0,
  Boolean: false,
  JSON: {},
  JSONObject: {},
  DateTime: '2026-01-01T00:00:00.000Z',
};

const DEFAULT_FIRST = 50;

function complexityOf(document: DocumentNode, variables: Record<string, unknown>): number {
  const info = new TypeInfo(schema);
  const factors = [1];
  let points = 0;
  const factorOf = (node: FieldNode): number => {
    const first = node.arguments?.find(({ name }) => name.value === 'first' || name.value === 'last')?.value;
    if (first?.kind === Kind.INT) return Number(first.value);
    const given = first?.kind === Kind.VARIABLE ? variables[first.name.value] : undefined;
    return typeof given === 'number' ? given : DEFAULT_FIRST;
  };
  visit(
    document,
    visitWithTypeInfo(info, {
      Field: {
        enter(node) {
          const type = info.getType();
          const named = type ? getNamedType(type) : null;
          const factor = factors.at(-1) ?? 1;
          points += factor * (named && isLeafType(named) ? 0.1 : 1);
          factors.push(named?.name.endsWith('Connection') ? factor * factorOf(node) : factor);
        },
        leave() {
          factors.pop();
        },
      },
    }),
  );
  return Math.ceil(points);
}
