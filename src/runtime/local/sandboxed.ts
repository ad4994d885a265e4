import { readFileSync } from 'node:fs';
import { isOutsideSandbox, type ProcessInfo } from './processes.js';

/** Octal escapes in mountinfo (proc(5)): space, tab, line break and backslash. */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/**
 * True when a text of `/proc/<pid>/mountinfo` holds a mount of `folder`. Field 4 is the folder within its file system, which may itself be mounted somewhere: so it is the
 * end of the path. It must reach up to the workspace's id, or the root of a file system would match everything.
 */
export function mountsFolder(mountinfo: string, folder: string, workspaceId: string): boolean {
  return mountinfo.split('\n').some((line) => {
    const root = unescape(line.split(' ')[3] ?? '');
    return root.includes(`/${workspaceId}/`) && (folder === root || folder.endsWith(root));
  });
}

/**
 * Processes in a sandbox that has the workspace's tree, whoever their parent is. bubblewrap ends its sandbox with the runner; this finds one that got away all the
 * same, since an agent that outlives its workspace could swap folders for links while the workspace's files are removed. Inside, the mount cannot be taken away
 * or made up.
 */
export function sandboxedOn(table: ProcessInfo[], tree: string, workspaceId: string): ProcessInfo[] {
  return table.filter(({ pid }) => {
    if (isOutsideSandbox(pid)) return false;
    try {
      return mountsFolder(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'), tree, workspaceId);
    } catch {
      // It has ended, or it belongs to another user: no sandbox of ours does.
      return false;
    }
  });
}
