import { mountsFolder } from './sandboxed.js';

const ID = '01999999-0000-7000-8000-00000000abcd';
const line = (root: string): string =>
  `66 42 0:41 / / ro - tmpfs tmpfs rw\n119 66 254:0 ${root} /workspace rw,nosuid - ext4 /dev/vda rw`;

describe('the mounts of a process', () => {
  it.each([
    ['on the file system of /', `/var/lib/berth/workspaces/${ID}/tree`, true],
    ['on a file system of its own', `/workspaces/${ID}/tree`, true],
    ['of another workspace', `/workspaces/${ID.replace('abcd', 'abce')}/tree`, false],
    ['of another folder of this one', `/workspaces/${ID}/home`, false],
    ['of a deeper folder', `/workspaces/${ID}/tree/src`, false],
    ['of a whole disk', '/', false],
  ])('tell of the workspace by its tree: %s', (_what, root, expected) => {
    expect(mountsFolder(line(root), `/var/lib/berth/workspaces/${ID}/tree`, ID)).toBe(expected);
  });

  it('are read with their escapes', () => {
    expect(
      mountsFolder(line(`/my\\040data/workspaces/${ID}/tree`), `/my data/workspaces/${ID}/tree`, ID),
    ).toBe(true);
  });
});
