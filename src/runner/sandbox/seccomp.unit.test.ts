import { seccompFilter } from './seccomp.js';

const ALLOW = 0x7fff0000;
const errno = (number: number): number => 0x00050000 | number;
const [EPERM, ENOSYS, EAFNOSUPPORT] = [errno(1), errno(38), errno(97)];

interface Call {
  audit: number;
  number: number;
  args?: number[];
}

/** Runs the program as the kernel does (Documentation/networking/filter.rst), for the four instructions that it uses. */
function verdictOf(program: Buffer, { audit, number, args = [] }: Call): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number >>> 0, 0);
  data.writeUInt32LE(audit >>> 0, 4);
  args.forEach((value, index) => data.writeUInt32LE(value >>> 0, 16 + 8 * index));
  let loaded = 0;
  for (let at = 0; at < program.length;) {
    const [code, whenTrue, whenFalse] = [
      program.readUInt16LE(at),
      program.readUInt8(at + 2),
      program.readUInt8(at + 3),
    ];
    const operand = program.readUInt32LE(at + 4);
    at += 8;
    if (code === 0x06) return operand;
    if (code === 0x20) loaded = data.readUInt32LE(operand);
    else if (code === 0x15) at += 8 * (loaded === operand ? whenTrue : whenFalse);
    else if (code === 0x35) at += 8 * (loaded >= operand ? whenTrue : whenFalse);
    else throw new Error(`Not an instruction of this program: ${code}`);
  }
  throw new Error('The program ends without a verdict.');
}

const x64 = { audit: 0xc000003e, socket: 41, ptrace: 101, read: 0, keyctl: 250, uring: 425, clone3: 435 };
const arm64 = { audit: 0xc00000b7, socket: 198, ptrace: 117, read: 63, keyctl: 219, uring: 425, clone3: 435 };

describe.each([
  ['x64', x64],
  ['arm64', arm64],
])('the seccomp filter on %s', (cpu, { audit, socket, ptrace, read, keyctl, uring, clone3 }) => {
  const program = seccompFilter(cpu) ?? Buffer.alloc(0);
  const verdict = (number: number, ...args: number[]): number => verdictOf(program, { audit, number, args });

  it.each([
    ['AF_UNIX', 1, ALLOW],
    ['AF_INET', 2, ALLOW],
    ['AF_INET6', 10, ALLOW],
    ['AF_NETLINK', 16, ALLOW],
    ['AF_UNSPEC', 0, EAFNOSUPPORT],
    ['AF_PACKET', 17, EAFNOSUPPORT],
    ['AF_ALG', 38, EAFNOSUPPORT],
    ['AF_VSOCK', 40, EAFNOSUPPORT],
  ])('decides about %s', (_name, family, expected) => {
    expect(verdict(socket, family, 1, 0)).toBe(expected);
    expect(verdict(socket + (cpu === 'x64' ? 12 : 1), family, 1, 0)).toBe(expected);
  });

  it('keeps process 1 from being traced, and no other', () => {
    expect(verdict(ptrace, 16, 1)).toBe(EPERM);
    expect(verdict(ptrace, 16, 2)).toBe(ALLOW);
    expect(verdict(ptrace, 1, 16)).toBe(ALLOW);
    expect(verdict(434, 1)).toBe(EPERM);
  });

  it('refuses keys and io_uring as unknown, and lets the usual pass', () => {
    expect([keyctl, uring].map((number) => verdict(number, 1))).toEqual([ENOSYS, ENOSYS]);
    expect([read, clone3].map((number) => verdict(number, 40))).toEqual([ALLOW, ALLOW]);
  });

  it('refuses every call of another convention, under which all numbers differ', () => {
    expect(verdictOf(program, { audit: 0x40000003, number: 102, args: [1] })).toBe(ENOSYS);
    if (cpu === 'x64') expect(verdict(0x40000000 + socket, 40)).toBe(ENOSYS);
  });
});

it('has no filter for a CPU whose numbers are not known', () => {
  expect(seccompFilter('riscv64')).toBeNull();
});
