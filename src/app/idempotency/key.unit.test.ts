import { answerId, keyOf, takesKey } from './key.js';

const request = (...keys: string[]) => ({
  headersDistinct: keys.length > 0 ? { 'idempotency-key': keys } : {},
});

describe('an Idempotency-Key', () => {
  it('is absent when none is sent', () => {
    expect(keyOf(request())).toBeNull();
  });

  it.each(['1', 'a b', '~'.repeat(255), '"quoted"', 'b7c1…'.replace('…', '!')])('may be %j', (key) => {
    expect(keyOf(request(key))).toBe(key);
  });

  it.each<[string, string[]]>([
    ['empty', ['']],
    ['too long', ['x'.repeat(256)]],
    ['not ASCII', ['é']],
    ['not printable', ['a\tb']],
    ['two', ['a', 'b']],
    ['the same twice', ['a', 'a']],
  ])('is refused when it is %s', (_, keys) => {
    expect(() => keyOf(request(...keys))).toThrow(
      expect.objectContaining({
        code: 'validation-failed',
        errors: [expect.objectContaining({ path: 'header.idempotency-key' })],
      }) as Error,
    );
  });

  it('is of one person in one organization', () => {
    const scopes = [
      { organizationId: null, personId: 'ada' },
      { organizationId: 'acme', personId: 'ada' },
      { organizationId: 'acme', personId: 'bob' },
      { organizationId: 'other', personId: 'ada' },
    ];
    const ids = scopes.flatMap((scope) => [answerId(scope, 'k'), answerId(scope, 'k2')]);
    expect(new Set(ids).size).toBe(8);
    expect(answerId({ organizationId: 'acme', personId: 'ada' }, 'k')).toBe(ids[2]);
    for (const id of ids) expect(id).toMatch(/^[\w-]{43}$/);
  });

  it('is for what people change', () => {
    expect(takesKey({ method: 'POST', path: '/api/v1/setup' })).toBe(true);
    expect(takesKey({ method: 'DELETE', path: '/api/v1/organizations/{org}/api-keys/{id}' })).toBe(true);
    expect(takesKey({ method: 'GET', path: '/api/v1/me' })).toBe(false);
    expect(takesKey({ method: 'POST', path: '/internal/runner/claim' })).toBe(false);
  });
});
