import { FakeClock } from './clock.js';
import { v7 } from 'uuid';
import { idsFrom, isId, shortId, systemIds } from './ids.js';

describe('ids', () => {
  it('ascend in the order in which they are made, and never repeat', () => {
    const made = Array.from({ length: 2000 }, () => systemIds.next());
    expect(new Set(made).size).toBe(made.length);
    expect([...made].sort()).toEqual(made);
  });

  it('are UUIDs of version 7', () => {
    const id = systemIds.next();
    expect(isId(id)).toBe(true);
    expect(id[14]).toBe('7');
  });

  it('stand above the bound of the moment they are made in, and below that of the next', () => {
    const at = Date.parse('2026-11-26T12:00:00.123Z');
    const id = v7({ msecs: at, random: new Uint8Array(16) });
    expect(idsFrom(new Date(at)) < id && id < idsFrom(new Date(at + 1))).toBe(true);
    expect(isId(idsFrom(new Date(at)))).toBe(true);
  });

  it('have a short form from their random end, so that two made in one moment differ', () => {
    const id = systemIds.next();
    expect(shortId(id)).toBe(id.slice(28));
    const short = Array.from({ length: 200 }, () => shortId(systemIds.next()));
    expect(new Set(short).size).toBe(short.length);
  });

  it.each([
    ['', false],
    ['0190a0b0-c0d0-7000-8000-00000000000', false],
    ['0190a0b0-c0d0-7000-8000-000000000000', true],
    // Postgres would take it; as a cursor it would compare wrongly with what Berth writes.
    ['0190A0B0-C0D0-7000-8000-000000000000', false],
    ['0190a0b0c0d070008000000000000000', false],
    [' 0190a0b0-c0d0-7000-8000-000000000000', false],
    ['0190a0b0-c0d0-7000-8000-000000000000\n', false],
    ['0190a0b0-c0d0-7000-8000-00000000000g', false],
  ])('isId(%j) is %s', (text, expected) => {
    expect(isId(text)).toBe(expected);
  });
});

describe('FakeClock', () => {
  it('stands still until it is moved, and hands out no date that could move it', () => {
    const clock = new FakeClock(new Date('2026-03-01T00:00:00Z'));
    clock.now().setFullYear(1999);
    expect(clock.now().toISOString()).toBe('2026-03-01T00:00:00.000Z');
    clock.advance(1500);
    expect(clock.now().toISOString()).toBe('2026-03-01T00:00:01.500Z');
  });
});
