/** Injection token of the `Runtime`; it comes from the composition (src/app), in processes that work. */
export const RUNTIME = Symbol('runtime');
