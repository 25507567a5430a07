/**
 * Creates values that are designed to harm the code that inspects them, such as an object whose getters throw.
 *
 * @module
 */

/** A text that would become a separate, forged line of the log if the log did not escape it. */
export const FORGED = '}\n{"ts":"2026-02-13T14:30:22.123Z","event":"forged"}\n';

/**
 * A function that creates a new value at each call. The values must be new, because inspecting one before it is logged
 * could change it.
 */
export type Maker<T = unknown> = () => T;

/** Throws an error whose message is a forged line. */
export function throwing(): never {
  throw new Error(FORGED);
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { value };
  return value;
}

function cycle(): unknown {
  const value: Record<string, unknown> = { list: [{ n: 1 }] };
  value.self = value;
  (value.list as unknown[]).push(value.list, value);
  return value;
}

function selfAsJson(): unknown {
  const value = { n: 1, toJSON: (): unknown => value };
  return value;
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function growing(): unknown {
  return { toJSON: () => ({ toJSON: throwing, again: growing() }) };
}

function unreadableError(): unknown {
  return Object.defineProperty(new Error("x"), "message", { get: throwing });
}

/** Makers of values that are not plain data. Each call creates a new value. */
export const HOSTILE: readonly Maker[] = [
  cycle,
  selfAsJson,
  revoked,
  growing,
  unreadableError,
  () => nested(50),
  () => nested(100_000),
  () => Symbol(FORGED),
  () => throwing,
  () => Object.defineProperty(() => {}, "name", { get: throwing }),
  () => class Walker {},
  () => new Date(NaN),
  () => new Date(0),
  () => 2n ** 70n,
  () => ({ toJSON: throwing }),
  () => ({ toJSON: () => undefined }),
  () => ({ toJSON: () => 7n }),
  () => ({ toJSON: 1 }),
  () => ({
    get trap() {
      return throwing();
    },
  }),
  () => Object.defineProperty(["a"], 0, { get: throwing, enumerable: true }),
  () => Object.assign(["a"], { toJSON: () => FORGED }),
  () => Object.assign(["a"], { [Symbol.iterator]: throwing }),
  () => new Proxy({}, { ownKeys: throwing }),
  () => new Proxy({ a: 1 }, { get: throwing }),
  () => new Proxy([1], { get: throwing }),
  () => new Proxy({}, { getPrototypeOf: throwing }),
  () => new Proxy({ a: 1 }, { getOwnPropertyDescriptor: throwing }),
  () => ({ [Symbol.toPrimitive]: throwing, toString: throwing, valueOf: throwing }),
  () => Object.assign(new String("s"), { toString: throwing }),
  () => Object.assign(new Date(0), { toISOString: throwing }),
  () => [, 1, , undefined, () => {}],
  () => Array(500),
  () => new Map([[{}, FORGED]]),
  () => new Uint8Array(50),
  () => Promise.resolve(FORGED),
  () => new RangeError(FORGED),
  () => JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}'),
];
