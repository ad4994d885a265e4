import { z } from 'zod';
import { createWorkspaceRoute, route, setupRoute, slugSchema } from '../contracts/index.js';
import { BerthError, type FieldError } from '../kernel/index.js';
import { invalid, validateInput } from './input.js';

const contract = route({
  method: 'POST',
  path: '/things/{id}',
  access: 'public',
  summary: 'For this test',
  params: z.strictObject({ id: z.uuid('must be an id') }),
  query: z.strictObject({ limit: z.coerce.number().int().max(10).default(5) }),
  body: z.strictObject({ name: z.string().min(1), list: z.array(z.strictObject({ n: z.int() })).optional() }),
  answer: { status: 200, body: null },
});
const ID = '0190a0b0-c0d0-7000-8000-000000000000';

type Given = { params?: Record<string, string>; query?: Record<string, string | string[]>; body?: unknown };

function refused(
  given: Given,
  of: Parameters<typeof validateInput>[0] = contract,
): BerthError & { errors: FieldError[] } {
  try {
    validateInput(of, { params: {}, query: {}, headers: {}, ...given } as never);
  } catch (error) {
    if (error instanceof BerthError) return error as BerthError & { errors: FieldError[] };
    throw error;
  }
  throw new Error('It was accepted.');
}
const paths = (given: Given): string[] => refused(given).errors.map(({ path }) => path);

describe('validateInput', () => {
  it('gives the parsed parts, with defaults', () => {
    const input = validateInput(contract, {
      params: { id: ID },
      query: {},
      body: { name: 'x' },
      headers: {},
    } as never);
    expect(input).toEqual({ params: { id: ID }, query: { limit: 5 }, body: { name: 'x' } });
  });

  it('leaves out what the contract does not name', () => {
    const bare = route({
      method: 'GET',
      path: '/',
      access: 'public',
      summary: 'x',
      answer: { status: 200, body: null },
    });
    const input = validateInput(bare, {
      params: { a: '1' },
      query: { b: '2' },
      body: { c: 3 },
      headers: {},
    } as never);
    expect(input).toEqual({ params: undefined, query: undefined, body: undefined });
  });

  it('lists everything wrong at once: path, query and body', () => {
    const error = refused({
      params: { id: 'x' },
      query: { limit: '11' },
      body: { name: '', list: [{ n: 1 }, { n: 'two' }] },
    });
    expect(error).toMatchObject({ code: 'validation-failed', status: 422 });
    expect(error.errors.map(({ path }) => path)).toEqual([
      'path.id',
      'query.limit',
      'body.name',
      'body.list.1.n',
    ]);
    expect(error.message).toBe('path.id: must be an id (and 3 more)');
  });

  it.each<[unknown, string, string]>([
    [{}, 'body.text', 'is missing'],
    [{ text: null }, 'body.text', 'must be text'],
    [{ text: 'x', count: 'x' }, 'body.count', 'must be a number'],
    [{ text: 'x', count: 1.5 }, 'body.count', 'must be a whole number'],
    [{ text: 'x', agent: 'x' }, 'body.agent', 'must be one of claude, codex'],
    [{ text: 'x', inner: {} }, 'body.inner.host', 'is missing; it must be a host'],
    [{ text: 'x', inner: { host: 7 } }, 'body.inner.host', 'must be a host'],
    [{ text: 'x', inner: { host: 'x' } }, 'body.inner.how', 'is missing; it must be one of tcp, udp'],
    [{ text: 'x', inner: [] }, 'body.inner', 'must be an object'],
    [{ text: 'x', flag: 'yes' }, 'body.flag', 'must be true or false'],
    [{ text: 'x', both: 1 }, 'body.either', 'give one of the two'],
    [undefined, 'body', 'is missing'],
    [{ text: '' }, 'body.text', 'must not be empty'],
    [{ text: 'x'.repeat(11) }, 'body.text', 'must have at most 10 characters'],
    [{ text: 'x', count: 0 }, 'body.count', 'must be at least 1'],
    [{ text: 'x', count: 6 }, 'body.count', 'must be at most 5'],
    [{ text: 'x', tags: ['a'] }, 'body.tags', 'must have at least 2 entries'],
  ])('says of the body %j in words that %s %s', (body, path, message) => {
    const of = route({
      ...contract,
      body: z
        .strictObject({
          text: z.string().min(1).max(10),
          count: z.int().min(1).max(5).optional(),
          tags: z.array(z.string()).min(2).optional(),
          flag: z.boolean().optional(),
          agent: z.enum(['claude', 'codex']).optional(),
          inner: z.strictObject({ host: z.string('must be a host'), how: z.enum(['tcp', 'udp']) }).optional(),
          both: z.number().optional(),
          either: z.number().optional(),
        })
        .refine(({ both }) => both === undefined, { path: ['either'], error: 'give one of the two' }),
    });
    expect(refused({ params: { id: ID }, body }, of).errors).toContainEqual({ path, message });
  });

  it('names each unknown field by its whole path', () => {
    const body = { name: 'x', nmae: 1, list: [{ n: 1, m: 2 }] };
    expect(paths({ params: { id: ID }, body }).sort()).toEqual(['body.list.0.m', 'body.nmae']);
    expect(paths({ params: { id: ID }, query: { limti: '1' }, body: { name: 'x' } })).toEqual([
      'query.limti',
    ]);
  });

  it.each<[unknown, string]>([
    [undefined, 'body'],
    [null, 'body'],
    ['text', 'body'],
    [[], 'body'],
    [7, 'body'],
  ])('refuses the body %j as a whole', (body, path) => {
    expect(paths({ params: { id: ID }, body })).toEqual([path]);
  });

  it('does not take one parameter given twice', () => {
    expect(paths({ params: { id: ID }, query: { limit: ['1', '2'] }, body: { name: 'x' } })).toEqual([
      'query.limit',
    ]);
  });

  it('stays short, whatever is sent', () => {
    const wide = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`field${at}`, at]));
    const long = { name: 'x', ['k'.repeat(100_000)]: 1 };
    const many = { name: 'x', list: Array.from({ length: 5000 }, () => ({ n: 'no' })) };
    const deepKey = z.strictObject({ map: z.record(z.string().max(5), z.unknown()) });
    const withMap = route({ ...contract, body: deepKey });
    for (const [body, of] of [
      [wide, contract],
      [long, contract],
      [many, contract],
      [{ map: long }, withMap],
    ] as const) {
      const error = refused({ params: { id: ID }, body }, of);
      expect(JSON.stringify({ errors: error.errors, message: error.message }).length).toBeLessThan(15_000);
    }
  });

  it('takes __proto__ in JSON for an unknown field and changes no prototype', () => {
    const body: unknown = JSON.parse(
      '{"name":"x","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
    );
    expect(paths({ params: { id: ID }, body }).sort()).toEqual(['body.__proto__', 'body.constructor']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it.each<[string, unknown]>([
    ['a name of spaces', { name: ' \t ' }],
    ['a name with NUL', { name: 'a\u0000b' }],
    ['a name with a line break', { name: 'a\nb' }],
    ['a message with NUL', { message: 'a\u0000b' }],
    ['a message of spaces', { message: ' \n ' }],
    ['a message that is too long', { message: 'x'.repeat(100_001) }],
    ['an unknown agent', { agent: 'gpt' }],
    ['an idle time of none', { idleTimeoutMinutes: 0 }],
    ['an idle time of a fraction', { idleTimeoutMinutes: 1.5 }],
    ['a number for a name', { name: 5 }],
  ])('refuses a workspace with %s', (_, field) => {
    const error = refused(
      { params: { org: 'acme' }, body: { repository: 'a/b', ...(field as object) } },
      createWorkspaceRoute,
    );
    expect(error.errors.map(({ path }) => path)).toEqual([`body.${Object.keys(field as object)[0]}`]);
  });

  it('writes an address in lower case and without space around it, and refuses what is none', () => {
    const body = (email: string) => ({
      token: 't',
      organization: { name: 'Acme', slug: 'acme' },
      user: { name: 'Ada', email, password: 'correct horse battery' },
    });
    const input = validateInput(setupRoute, {
      params: {},
      query: {},
      headers: {},
      body: body('  Ada@Example.COM '),
    } as never);
    expect((input.body as { user: { email: string } }).user.email).toBe('ada@example.com');
    for (const wrong of [
      'ada',
      'ada@',
      '@example.com',
      'a b@example.com',
      'ada@example.com\u0000',
      `${'a'.repeat(250)}@x.org`,
    ]) {
      expect(refused({ body: body(wrong) }, setupRoute).errors[0]?.path).toBe('body.user.email');
    }
  });

  it('takes no half of a character in a password: all of them would be the same one', () => {
    const input = (password: string) => ({
      token: 't',
      organization: { name: 'Acme', slug: 'acme' },
      user: { name: 'Ada', email: 'ada@example.com', password },
    });
    const { errors } = refused({ body: input('correct horse \ud83d battery') }, setupRoute);
    expect(errors.map(({ path }) => path)).toEqual(['body.user.password']);
    expect(setupRoute.body.safeParse(input('correct horse 👋 battery')).success).toBe(true);
  });

  it.each([
    ['a', true],
    ['acme-2', true],
    ['a'.repeat(40), true],
    ['', false],
    ['Acme', false],
    ['-acme', false],
    ['acme-', false],
    ['ac_me', false],
    ['acmé', false],
    ['a'.repeat(41), false],
    // {org} takes slug or id: one must not be taken for the other.
    ['0190a0b0-c0d0-7000-8000-000000000000', false],
    ['../acme', false],
    ['acme\n', false],
  ])('takes the slug %j: %s', (slug, taken) => {
    expect(slugSchema.safeParse(slug).success).toBe(taken);
  });
});

describe('invalid', () => {
  it('says the first finding in words and all as data', () => {
    const errors = [{ path: 'body.a', message: 'is wrong' }];
    expect(invalid(errors)).toMatchObject({ code: 'validation-failed', message: 'body.a: is wrong', errors });
  });
});
