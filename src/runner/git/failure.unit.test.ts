import { subjectOf } from './commit.js';
import { classifyGitFailure, cleaner } from './failure.js';

const keep = (text: string) => text;

describe('reasons of git', () => {
  it.each([
    ["fatal: repository 'http://127.0.0.1:8123/git/github.com/a/b.git/' not found", 'repository-not-found'],
    [
      "fatal: could not read Username for 'https://github.com': terminal prompts disabled",
      'repository-authentication',
    ],
    [
      "fatal: unable to access 'https://x/': The requested URL returned error: 403",
      'repository-authentication',
    ],
    ["fatal: unable to access 'https://x/': Could not resolve host: x", 'network'],
    ['fatal: the remote end hung up unexpectedly', 'network'],
    ["fatal: unable to access 'https://x/': The requested URL returned error: 502", 'network'],
    ['error: file write error: No space left on device', 'disk-full'],
    ["fatal: couldn't find remote ref nothing", 'ref-not-found'],
    ['fatal: something new', 'git-failed'],
  ])('reads %s as %s', (stderr, code) => {
    expect(classifyGitFailure(`Cloning…\n${stderr}\n`, false, keep).code).toBe(code);
  });

  it.each([
    ["fatal: unable to access 'https://x/': The requested URL returned error: 403", 'push-not-allowed'],
    ["fatal: could not read Username for 'https://x': terminal prompts disabled", 'push-not-allowed'],
    ['error: remote unpack failed: Read-only file system', 'push-not-allowed'],
    [' ! [remote rejected] HEAD -> main (protected branch hook declined)', 'push-rejected'],
    [
      'remote: error: refusing to update checked out branch: refs/heads/x\n ! [remote rejected]',
      'push-rejected',
    ],
    [' ! [remote rejected] x -> x (branch is currently checked out)', 'branch-checked-out'],
  ])('reads %s as %s when pushing', (stderr, code) => {
    expect(classifyGitFailure(stderr, true, keep).code).toBe(code);
  });

  it('does not let the server choose the reason', () => {
    expect(classifyGitFailure('remote: No space left on device\nfatal: odd', false, keep).code).toBe(
      'git-failed',
    );
  });

  it("shows git's last lines without secrets or inner addresses", () => {
    const clean = cleaner('the-placeholder', 'http://127.0.0.1:8123');
    const stderr = [
      'first',
      'warning: the-placeholder https://user:password@host/x',
      'fatal: odd http://127.0.0.1:8123/git/github.com/a/b.git',
    ].join('\n');
    const { message } = classifyGitFailure(stderr, false, clean);

    expect(message).toContain('fatal: odd https://github.com/a/b.git');
    expect(message).not.toMatch(/placeholder|password|8123/);
  });
});

describe('the subject of a commit', () => {
  it.each([
    ['fix it', 'fix it'],
    ['\n\n  # fix\u0007 it \nmore', '# fix  it'],
    ['', 'Work of the agent'],
    ['é'.repeat(72), 'é'.repeat(72)],
    ['😀'.repeat(80), `${'😀'.repeat(71)}…`],
  ])('of %j is %j', (text, subject) => {
    expect(subjectOf(text)).toBe(subject);
  });
});
