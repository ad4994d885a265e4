import {
  fileObstacle,
  gitRouteOf,
  parseRepository,
  refProblem,
  type RepositoryPolicy,
} from './repository.js';

const parsed = (text: string): unknown => {
  const result = parseRepository(text);
  return 'source' in result ? result.source : 'refused';
};

describe('parseRepository: what people mean', () => {
  const https = (path: string) => ({ type: 'https', url: `https://${path}`, path });
  const file = (path: string) => ({ type: 'file', url: `file://${path}`, path });
  it.each([
    ['acme/app', https('github.com/acme/app.git')],
    ['  acme/app  ', https('github.com/acme/app.git')],
    ['acme/app.git', https('github.com/acme/app.git')],
    ['a_b/c.d-e', https('github.com/a_b/c.d-e.git')],
    ['acme/.github', https('github.com/acme/.github.git')],
    ['https://github.com/acme/.github.git', https('github.com/acme/.github.git')],
    ['acme/-', https('github.com/acme/-.git')],
    ['acme/_', https('github.com/acme/_.git')],
    ['acme/...', https('github.com/acme/....git')],
    ['acme/.gitignore', https('github.com/acme/.gitignore.git')],
    ['acme/app.github.io', https('github.com/acme/app.github.io.git')],
    ['acme/wiki', https('github.com/acme/wiki.git')],
    ['acme/app.GIT', https('github.com/acme/app.git')],
    ['https://gitlab.example/acme/app.wiki', https('gitlab.example/acme/app.wiki.git')],
    ['https://github.com/acme/app', https('github.com/acme/app.git')],
    ['https://github.com/acme/app.git', https('github.com/acme/app.git')],
    ['https://github.com/acme/app/', https('github.com/acme/app.git')],
    ['https://GitLab.Example/group/sub/app', https('gitlab.example/group/sub/app.git')],
    ['https://git.example:8443/acme/app', https('git.example:8443/acme/app.git')],
    ['file:///srv/git/app', file('/srv/git/app')],
    ['file:///srv/git/app/', file('/srv/git/app')],
    ['file://localhost/srv/git/app', file('/srv/git/app')],
    ['file:///srv/with%20space/app', file('/srv/with space/app')],
  ])('%s', (text, source) => {
    expect(parsed(text)).toEqual(source);
  });
});

describe('parseRepository: what git, a shell or a network would take for something else', () => {
  it.each([
    ['an option', '--upload-pack=touch /tmp/x'],
    ['an option as a path', '--upload-pack=x/y'],
    ['an option in the second place', 'acme/--upload-pack=x'],
    ['a dash in front', '-acme/app'],
    ['ssh with a proxy command', 'ssh://-oProxyCommand=id/x'],
    ['scp style with a proxy command', '-oProxyCommand=id:x/y'],
    ['scp style', 'git@github.com:acme/app.git'],
    ['ssh', 'ssh://git@github.com/acme/app.git'],
    ['a helper program', 'ext::sh -c id'],
    ['a helper program behind a scheme', 'ext::https://github.com/acme/app'],
    ['another helper', 'fd::17'],
    ['http in the clear', 'http://github.com/acme/app'],
    ['the git protocol', 'git://github.com/acme/app'],
    ['a scheme in capitals', 'FILE:///etc'],
    ['a local path', '/etc'],
    ['a relative path', '../app'],
    ['parents as a name', 'acme/..'],
    ['parents as an owner', '../..'],
    ['a dot', 'acme/.'],
    ['hidden', 'acme/.git'],
    ['hidden, in capitals', 'acme/.GIT'],
    ['hidden, with the ending', 'acme/.git.git'],
    ['parents with the ending', 'acme/...git'],
    ['a dot with the ending', 'acme/..git'],
    ['two endings', 'acme/app.git.git'],
    ['a wiki', 'acme/app.wiki'],
    ['a wiki in the URL', 'https://github.com/acme/app.Wiki.git'],
    ['nothing but a wiki', 'acme/.wiki'],
    ['an owner with a dot in front', '.github/app'],
    ['an owner with a dot in front, in the URL', 'https://git.example/.github/app'],
    ['three parts', 'acme/app/tree'],
    ['one part', 'acme'],
    ['nothing', ''],
    ['white space', '   '],
    ['a space inside', 'acme/a pp'],
    ['a line break', 'acme/app\nx'],
    ['NUL', 'acme/app\u0000'],
    ['an escape sequence', 'acme/\u001b[31mapp'],
    ['a semicolon', 'acme/app;id'],
    ['a substitution', 'acme/$(id)'],
    ['a backslash', 'acme\\app'],
    ['a percent escape', 'acme/%2e%2e'],
    ['a full-width slash', 'acme／app'],
    ['a name without end', `acme/${'a'.repeat(101)}`],
    ['a user in the URL', 'https://token@github.com/acme/app'],
    ['user and password in the URL', 'https://me:secret@github.com/acme/app'],
    ['a query', 'https://github.com/acme/app?x=1'],
    ['a fragment', 'https://github.com/acme/app#main'],
    ['parents in the URL', 'https://github.com/acme/../../other/app'],
    ['encoded parents in the URL', 'https://github.com/acme/%2e%2e/app'],
    ['parents encoded twice', 'https://github.com/acme/%252e%252e/app'],
    ['an empty part in the URL', 'https://github.com//acme/app'],
    ['a backslash in the URL', 'https://github.com\\@evil.example/acme/app'],
    ['an option in the URL', 'https://github.com/--upload-pack=x/app'],
    ['no repository', 'https://github.com/acme'],
    ['no host', 'https:///acme/app'],
    ['no URL', 'https://['],
    ['an IPv4 address', 'https://169.254.169.254/latest/meta-data'],
    ['loopback', 'https://127.0.0.1/acme/app'],
    ['loopback as a number', 'https://2130706433/acme/app'],
    ['loopback in hex', 'https://0x7f.1/acme/app'],
    ['loopback, short', 'https://127.1/acme/app'],
    ['an IPv6 address', 'https://[::1]/acme/app'],
    ['localhost', 'https://localhost/acme/app'],
    ['localhost in capitals', 'https://LocalHost/acme/app'],
    ['localhost with a port', 'https://localhost:3000/acme/app'],
    ['localhost with a final dot', 'https://localhost./acme/app'],
    ['an address with a final dot', 'https://127.0.0.1./acme/app'],
    ['a name below localhost', 'https://berth.localhost/acme/app'],
    ['a name below localhost with a final dot', 'https://berth.localhost./acme/app'],
    ['full-width digits', 'https://１２７.0.0.1/acme/app'],
    ['another machine’s files', 'file://server/share/app'],
    ['the root', 'file:///'],
    ['only slashes', 'file:////'],
    ['parents in a file URL', 'file:///srv/../etc'],
    ['encoded parents in a file URL', 'file:///srv/%2e%2e/etc'],
    ['half encoded parents', 'file:///srv/.%2E/etc'],
    ['an encoded slash with parents', 'file:///srv/a%2f..%2fetc'],
    ['NUL in a file URL', 'file:///srv/a%00b'],
    ['a line break in a file URL', 'file:///srv/a%0ab'],
    ['a broken escape', 'file:///srv/%zz'],
    ['parents between backslashes', 'file:///srv\\..\\etc'],
    ['a query in a file URL', 'file:///srv/app?x'],
    ['a fragment in a file URL', 'file:///srv/app#x'],
  ])('%s: %j', (_, text) => {
    expect(parsed(text)).toBe('refused');
  });

  it('says in words what would be right', () => {
    expect(parseRepository('ext::sh -c id')).toEqual({
      problem: 'must be owner/name, an https:// git URL, or a file:// URL',
    });
    expect(parseRepository('https://me:secret@github.com/a/b')).not.toMatchObject({
      problem: expect.stringContaining('secret') as unknown,
    });
  });
});

describe('fileObstacle', () => {
  const policy = (fileRoots: string[] | null): RepositoryPolicy => ({
    githubUrl: 'https://github.com',
    fileRoots,
    dataDirectory: '/var/lib/berth',
  });
  it.each([
    ['/srv/git/app', null],
    ['/srv/git/app', ['/srv/git']],
    ['/srv/git', ['/srv/git']],
    ['/srv/git/app', ['/home', '/srv/git/']],
    ['/srv/git/app', ['/']],
    ['/var/lib/berthold', null],
  ] as [string, string[] | null][])('%s is allowed below %j', (path, roots) => {
    expect(fileObstacle(path, policy(roots))).toBeNull();
  });
  it.each([
    ['/etc', ['/srv/git'], 'must be below /srv/git'],
    ['/srv/github', ['/srv/git'], 'must be below /srv/git'],
    ['/srv', ['/srv/git'], 'must be below /srv/git'],
    ['/srv/git/app', [], 'not allowed on this Berth'],
    ['/var/lib/berth', null, 'own data directory'],
    ['/var/lib/berth/workspaces/x', null, 'own data directory'],
    ['/var/lib/berth/postgres', ['/var/lib/berth'], 'own data directory'],
    // A parent of it would let the agent read Berth's own files out of the bound folder.
    ['/var/lib', null, 'own data directory'],
    ['/var', null, 'own data directory'],
    ['/', null, 'own data directory'],
  ] as [string, string[] | null, string][])('%s is refused below %j', (path, roots, why) => {
    expect(fileObstacle(path, policy(roots))).toContain(why);
  });
});

describe('gitRouteOf', () => {
  const row = (branch: string, readOnly = false) => ({
    id: '00000000-0000-7000-8000-00000badcafe',
    branch,
    readOnly,
  });
  it.each([
    ['its own branch', 'berth/0badcafe', false, ['berth/0badcafe']],
    ['the branch of a pull request, or else its own', 'topic', false, ['topic', 'berth/0badcafe']],
    ['nothing, where it reads code of strangers', 'berth/0badcafe', true, []],
  ] as const)('lets a workspace push %s', (_what, branch, readOnly, expected) => {
    const source = { type: 'https', url: 'https://github.com/a/b', path: 'github.com/a/b.git' } as const;
    const route = gitRouteOf(source, row(branch, readOnly), 'https://github.com');
    expect(route?.pushRefs).toEqual(expected.map((name) => `refs/heads/${name}`));
  });
  it('lets github.com stand for the configured GitHub, and no other host', () => {
    const route = (path: string) =>
      gitRouteOf(
        { type: 'https', url: `https://${path}`, path },
        row('berth/0badcafe'),
        'https://ghe.example',
      );
    expect(route('github.com/acme/app.git')).toEqual({
      path: 'github.com/acme/app.git',
      upstreamUrl: 'https://ghe.example/acme/app.git',
      pushRefs: ['refs/heads/berth/0badcafe'],
    });
    expect(route('github.com.evil.example/acme/app.git')?.upstreamUrl).toBe(
      'https://github.com.evil.example/acme/app.git',
    );
    expect(route('gitlab.example/acme/app.git')?.upstreamUrl).toBe('https://gitlab.example/acme/app.git');
  });
  it('has none for a folder', () => {
    expect(
      gitRouteOf(
        { type: 'file', url: 'file:///srv/app', path: '/srv/app' },
        row('berth/x'),
        'https://github.com',
      ),
    ).toBeNull();
  });
});

describe('refProblem', () => {
  it.each([
    'main',
    'feature/x',
    'v1.2.3',
    'a-b_c',
    'refs/heads/main',
    '0123456789abcdef0123456789abcdef01234567',
    'ünïcode',
    'a@b',
    'x.locked',
  ])('%s is a ref', (ref) => {
    expect(refProblem(ref)).toBeNull();
  });
  it.each([
    '-main',
    '--upload-pack=x',
    '@',
    'a..b',
    'a//b',
    '/a',
    'a/',
    'a.',
    '.a',
    'a/.b',
    'a.lock',
    'a.lock/b',
    'a b',
    'a~1',
    'a^',
    'a:b',
    'a?b',
    'a*b',
    'a[b',
    'a\\b',
    'a@{1}',
    'a\tb',
    'a\nb',
    'a\u0000b',
    'a\u007fb',
  ])('%j is none', (ref) => {
    expect(refProblem(ref)).toContain('not a valid name');
  });
});
