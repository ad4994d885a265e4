/**
 * A seccomp filter for everything inside the sandbox, as the classic BPF program that `bwrap --seccomp` takes (seccomp(2), linux/filter.h). It closes what namespaces
 * leave open:
 * - Sockets of other families than Unix, IP and netlink. AF_VSOCK above all: the network namespace does not hold it, and in a virtual machine it leads to the host.
 * - io_uring, which opens sockets without the socket call.
 * - Kernel keys: Berth's session keyring is inherited, whatever the login put into it.
 * - bpf and perf, which look at the whole machine.
 * - ptrace and its kin on process 1 (bubblewrap's own). It ends the sandbox when the runner goes; taken over, it would not.
 */

/** Numbers of system calls by architecture (asm/unistd_64.h, asm-generic/unistd.h). */
interface Architecture {
  /** AUDIT_ARCH_… (linux/audit.h): what the kernel calls it. */
  audit: number;
  /** Numbers from here on belong to another calling convention (x32), under which the others could be reached again. */
  foreignFrom: number | null;
  socket: number[];
  /** Calls whose first or second argument names the process they act on: [number, index of the argument]. */
  onProcess: [number, number][];
  refused: number[];
}

const architectures: Record<string, Architecture> = {
  x64: {
    audit: 0xc000003e,
    foreignFrom: 0x40000000,
    // socket, socketpair
    socket: [41, 53],
    // ptrace(request, pid), process_vm_readv(pid), process_vm_writev(pid), pidfd_open(pid)
    onProcess: [
      [101, 1],
      [310, 0],
      [311, 0],
      [434, 0],
    ],
    // add_key, request_key, keyctl, perf_event_open, bpf, io_uring_setup, io_uring_enter, io_uring_register
    refused: [248, 249, 250, 298, 321, 425, 426, 427],
  },
  arm64: {
    audit: 0xc00000b7,
    foreignFrom: null,
    socket: [198, 199],
    onProcess: [
      [117, 1],
      [270, 0],
      [271, 0],
      [434, 0],
    ],
    refused: [217, 218, 219, 241, 280, 425, 426, 427],
  },
};

/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (asked for the list of interfaces). */
const SOCKET_FAMILIES = [1, 2, 10, 16];
const INIT = 1;

/** errno(3) on every architecture here. */
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** linux/bpf_common.h: BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_JMP|BPF_JGE|BPF_K, BPF_RET|BPF_K. */
const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const RETURN = 0x06;

/** linux/seccomp.h: SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO. */
const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;

/** struct seccomp_data: nr at 0, arch at 4, the arguments of 64 bits each from 16 on. Both architectures are little-endian: the low half comes first. */
const NUMBER_OFFSET = 0;
const ARCHITECTURE_OFFSET = 4;
const argumentOffset = (index: number): number => 16 + 8 * index;

type Instruction = [code: number, whenTrue: number, whenFalse: number, operand: number];

const load = (offset: number): Instruction => [LOAD, 0, 0, offset];
const give = (verdict: number): Instruction => [RETURN, 0, 0, verdict];
const fail = (errno: number): Instruction => give(ERRNO | errno);
/** Runs the next instruction only when the loaded value is `value`. */
const ifEqual = (value: number): Instruction => [JUMP_EQUAL, 0, 1, value];

/** When the call is `number`: `block`, which ends in a verdict. The number stays loaded for what follows. */
function onCall(number: number, block: Instruction[]): Instruction[] {
  return [[JUMP_EQUAL, 0, block.length, number], ...block];
}

function instructionsFor(architecture: Architecture): Instruction[] {
  const { audit, foreignFrom, socket, onProcess, refused } = architecture;
  const family = [
    load(argumentOffset(0)),
    ...SOCKET_FAMILIES.flatMap((each) => [ifEqual(each), give(ALLOW)]),
    fail(EAFNOSUPPORT),
  ];
  return [
    load(ARCHITECTURE_OFFSET),
    // 32-bit programs have other numbers for the same calls; none of the list would fit.
    [JUMP_EQUAL, 1, 0, audit],
    fail(ENOSYS),
    load(NUMBER_OFFSET),
    ...(foreignFrom === null ? [] : [[JUMP_AT_LEAST, 0, 1, foreignFrom] as Instruction, fail(ENOSYS)]),
    ...refused.flatMap((number) => onCall(number, [fail(ENOSYS)])),
    ...socket.flatMap((number) => onCall(number, family)),
    ...onProcess.flatMap(([number, index]) =>
      onCall(number, [load(argumentOffset(index)), ifEqual(INIT), fail(EPERM), give(ALLOW)]),
    ),
    give(ALLOW),
  ];
}

/** The filter for a CPU as Node names it (`process.arch`), or null where its numbers are not known here. */
export function seccompFilter(cpu: string): Buffer | null {
  const architecture = architectures[cpu];
  if (architecture === undefined) return null;
  const instructions = instructionsFor(architecture);
  const bytes = Buffer.alloc(instructions.length * 8);
  instructions.forEach(([code, whenTrue, whenFalse, operand], index) => {
    const at = index * 8;
    bytes.writeUInt16LE(code, at);
    bytes.writeUInt8(whenTrue, at + 2);
    bytes.writeUInt8(whenFalse, at + 3);
    bytes.writeUInt32LE(operand >>> 0, at + 4);
  });
  return bytes;
}
