import { Pace } from './pace.js';

const enter = (pace: Pace, times: number, nowMs: number) =>
  Array.from({ length: times }, () => pace.enter('acme', 10, nowMs));

describe('who was never refused', () => {
  it('goes in at once, however many come', () => {
    expect(new Set(enter(new Pace(), 100, 5))).toEqual(new Set([0]));
  });
});

describe('who was refused', () => {
  let pace: Pace;
  beforeEach(() => {
    pace = new Pace();
    pace.refuse('acme', 10, 0);
  });

  it('goes in at the rate of the limit, and not when a second is full', () => {
    expect(enter(pace, 12, 0)).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900, null, null]);
    expect(enter(pace, 2, 150)).toEqual([850, 950]);
  });

  it('saves nothing up while nobody comes', () => {
    expect(enter(pace, 3, 1500)).toEqual([0, 100, 200]);
  });

  it('has a burst again when it was not refused for two seconds', () => {
    expect(enter(pace, 2, 1999)).toEqual([0, 100]);
    expect(enter(pace, 3, 2000)).toEqual([0, 0, 0]);
  });

  it('stays slowed while it is refused', () => {
    pace.refuse('acme', 10, 1999);
    expect(enter(pace, 2, 3000)).toEqual([0, 100]);
  });

  it('slows nobody else', () => {
    enter(pace, 10, 0);
    expect(pace.enter('other', 10, 0)).toBe(0);
  });

  it('is told so at moments that are spread over a second', () => {
    const held = Array.from({ length: 11 }, () => pace.refuse('acme', 10, 0));
    expect(held).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900, 0, 100]);
  });
});
