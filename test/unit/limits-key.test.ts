import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type Limit, RESOURCES, readLimits } from "../../src/config/confine-values.ts";
import { confineKeys } from "../../src/config/schemas/confine.ts";
import { readValue } from "../../src/config/values.ts";

const read = (value: string) => readValue(value, confineKeys.limits);
const limits = (value: string): Limit[] => {
  const reading = read(value);
  if ("reason" in reading) throw new Error(reading.reason);
  return reading.value as Limit[];
};
const shown = (value: string) => limits(value).map((limit) => `${limit.name}=${limit.value}`);
const reason = (value: string) => {
  const reading = read(value);
  return "reason" in reading ? reading.reason : `read: ${JSON.stringify(reading.value)}`;
};

test("the numbers of the resources are those of the kernel", () => {
  const header = readFileSync("/usr/include/asm-generic/resource.h", "utf8");
  const found = [...header.matchAll(/^# ?define RLIMIT_(\w+)\s+(\d+)/gm)].map(
    ([, name = "", number]) => [name.toLowerCase(), Number(number)] as const,
  );
  expect(found).toHaveLength(16);
  const known = found.filter(([name]) => name !== "rss" && name !== "locks");
  expect(Object.entries(RESOURCES)).toEqual(known as [string, number][]);
});

describe("limits that are read", () => {
  test.each([
    [
      "nofile 256, nproc 64, cpu 600, fsize 2G, as 4G, core 0",
      "nofile=256 nproc=64 cpu=600 fsize=2147483648 as=4294967296 core=0",
    ],
    ["core 0", "core=0"],
    [" core\t 0 ,,nofile  007 ,", "core=0 nofile=7"],
    ["fsize 1K, data 1M, stack 1G, as 1T", "fsize=1024 data=1048576 stack=1073741824 as=1099511627776"],
    ["memlock 0K, msgqueue 8191T", "memlock=0 msgqueue=9006099743113216"],
    ["nofile 9007199254740991, fsize 9007199254740991", "nofile=9007199254740991 fsize=9007199254740991"],
    ["sigpending 0, nice 0, rtprio 0, rttime 1", "sigpending=0 nice=0 rtprio=0 rttime=1"],
  ])("%j", (value, expected) => {
    expect(shown(value).join(" ")).toBe(expected);
  });
});

describe("values that are refused", () => {
  test.each([
    ["", "it has no value"],
    [",", "it has no item"],
    ["nofile", "nofile has no number, as in 'nofile 256'"],
    ["nofile ", "nofile has no number, as in 'nofile 256'"],
    ["nofile unlimited", "'unlimited' is no limit: leave nofile out"],
    ["nofile -1", "nofile: '-1' is not a number"],
    ["nofile +1", "nofile: '+1' is not a number"],
    ["nofile 1 2", "nofile: '1 2' is not a number"],
    ["nofile 0x10", "nofile: '0x10' is not a number"],
    ["nofile 1e3", "nofile: '1e3' is not a number"],
    ["nofile 1.5", "nofile: '1.5' is not a number"],
    ["nofile 1K", "nofile: K is for sizes in bytes, which this is not"],
    ["cpu 10M", "cpu: M is for sizes in bytes, which this is not"],
    ["cpu 0", "cpu: the least is 1, in seconds"],
    ["fsize 1k", "fsize: '1k' is not a number, which K, M, G or T may follow"],
    ["fsize 1KB", "fsize: '1KB' is not a number, which K, M, G or T may follow"],
    ["fsize K", "fsize: 'K' is not a number, which K, M, G or T may follow"],
    ["fsize 1 G", "fsize: '1 G' is not a number, which K, M, G or T may follow"],
    ["fsize 1P", "fsize: '1P' is not a number, which K, M, G or T may follow"],
    ["fsize 8192T", "fsize: '8192T' is more than 9007199254740991: leave it out"],
    ["fsize 9007199254740992", "fsize: '9007199254740992' is more than 9007199254740991: leave it out"],
    [`as ${"9".repeat(400)}`, `as: '${"9".repeat(400)}' is more than 9007199254740991: leave it out`],
    ["rss 1G", "rss has no effect in Linux"],
    ["locks 5", "locks has no effect in Linux"],
    ["core 0, nofile 5, core 0", "it has core twice"],
    ["NOFILE 5", `'NOFILE 5' does not begin with one of ${Object.keys(RESOURCES).join(", ")}, and a blank`],
    ["nofile=5", "'nofile=5' has no blank between name and number, as in 'nofile 256'"],
    ["as:4G", "'as:4G' has no blank between name and number, as in 'nofile 256'"],
    ["foo=5", `'foo=5' does not begin with one of ${Object.keys(RESOURCES).join(", ")}, and a blank`],
    [
      "toString 5",
      `'toString 5' does not begin with one of ${Object.keys(RESOURCES).join(", ")}, and a blank`,
    ],
    ["\xff 5", `'\\xff 5' does not begin with one of ${Object.keys(RESOURCES).join(", ")}, and a blank`],
  ])("%j", (value, expected) => {
    expect(reason(value)).toBe(expected);
  });
});

describe("any text", () => {
  let seed = 20_261_128;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T;
  const NAMES = Object.keys(RESOURCES);
  const SIZES = ["fsize", "data", "stack", "core", "memlock", "as", "msgqueue"];
  const UNITS = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

  test("made of valid limits is read as what it says", () => {
    for (let round = 0; round < 3000; round++) {
      const names = [...new Set(Array.from({ length: 1 + random(6) }, () => pick(NAMES)))];
      const expected = names.map((name) => {
        const unit = SIZES.includes(name) ? pick(Object.keys(UNITS) as (keyof typeof UNITS)[]) : "";
        const number = 1 + random(8000);
        return { name, text: `${number}${unit}`, value: number * UNITS[unit] };
      });
      const value = expected
        .map(({ name, text }) => `${name}${pick([" ", "\t", "   "])}${text}`)
        .join(pick([",", " , "]));
      expect(limits(value)).toEqual(
        expected.map(({ name, value }) => ({ resource: RESOURCES[name] ?? -1, name, value })),
      );
    }
  });

  test("else is refused in one printable line, or holds only numbers that the kernel can take", () => {
    const parts = [
      ...NAMES,
      "rss",
      " ",
      "\t",
      ",",
      "0",
      "1",
      "99",
      "K",
      "G",
      "-",
      "unlimited",
      "\xe4",
      "\x07",
      "__proto__",
    ];
    const isRight = (reading: ReturnType<typeof readLimits>): boolean => {
      if ("reason" in reading) return /^[\x20-\x7e]+$/.test(reading.reason);
      const found = reading.value as Limit[];
      if (found.length === 0 || new Set(found.map(({ resource }) => resource)).size < found.length)
        return false;
      return found.every(
        ({ resource, name, value }) =>
          RESOURCES[name] === resource && Number.isSafeInteger(value) && value >= (name === "cpu" ? 1 : 0),
      );
    };
    const wrong: unknown[] = [];
    for (let round = 0; round < 20_000; round++) {
      const text = Array.from({ length: random(9) }, () => pick(parts)).join("");
      const reading = readLimits(text);
      if (!isRight(reading)) wrong.push({ text, reading });
    }
    expect(wrong).toEqual([]);
  });
});
