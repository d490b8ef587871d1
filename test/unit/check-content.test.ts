import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import fc from "fast-check";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statAt } from "../../ffi/files.ts";
import { createComparer, type Job } from "../../src/check/content/compare.ts";
import { share, startComparisons } from "../../src/check/content/threads.ts";
import { fileUri } from "../../src/check/report/sarif.ts";
import { SMOKE_TESTS } from "../../src/check/smoke/table.ts";
import { compareOpen } from "../../src/jail/fs/compare.ts";
import { forgetJail } from "../../src/jail/record/manifest.ts";
import {
  formatVerified,
  isSettled,
  parseVerified,
  saveVerified,
  stampOf,
  type Verified,
} from "../../src/jail/record/verified.ts";
import { KnownContents } from "../../src/update/plan/known-contents.ts";
import { makeJail, type TestJail } from "./jail-helper.ts";

let jail: TestJail;
beforeEach(() => {
  jail = makeJail();
});
afterEach(() => jail.close());

/** Two files with these contents, as a job. */
function job(name: string, inJail: Uint8Array | string, onHost: Uint8Array | string = inJail): Job {
  const source = `${jail.base}/${name}`;
  fs.writeFileSync(`${jail.path}/usr/${name}`, inJail);
  fs.writeFileSync(source, onHost);
  const stamp = (path: string) => stampOf(statAt(AT_FDCWD, path));
  return {
    path: `/usr/${name}`,
    stamp: stamp(`${jail.path}/usr/${name}`),
    source: { path: source, stamp: stamp(source) },
  };
}

const PATTERN = new Uint8Array(1_000_000).map((_, i) => i * 7);
const bytes = (size: number, at = -1) => {
  const buffer = PATTERN.slice(0, size);
  if (at >= 0) buffer[at] = (buffer[at] ?? 0) ^ 1;
  return buffer;
};

describe("comparing", () => {
  const SIZES = [1, 2, 4095, 262143, 262144, 262145, 524288, 1000000];

  test("any one bit that differs is found, in files of any size", () => {
    const compare = createComparer(jail.root.fd);
    for (const size of SIZES) {
      expect(compare(job("same", bytes(size)), false)).toEqual({ verdict: "same" });
      for (const at of [0, size >> 1, size - 1])
        expect(compare(job("other", bytes(size, at), bytes(size)), false).verdict).toBe("different");
    }
  });

  test("the digest is that of the whole file", () => {
    const compare = createComparer(jail.root.fd);
    const digests = new Set<string | undefined>();
    for (const size of SIZES) {
      for (const at of [-1, 0, size >> 1, size - 1]) {
        const { verdict, digest } = compare(job("same", bytes(size, at)), true);
        expect([verdict, digest?.length]).toEqual(["same", 64]);
        const alone = { ...job("same", bytes(size, at)), source: undefined };
        expect(compare(alone, false)).toEqual({ verdict: "same", digest: digest ?? "" });
        digests.add(digest);
      }
    }
    // Of the file of one byte, and that of two, some places are the same.
    expect(digests.size).toBe(4 * SIZES.length - 3);
  });

  test("zeros and holes are the same content, wherever they are stored", () => {
    const compare = createComparer(jail.root.fd);
    const BLOCK = 262144;
    const digestOf = (size: number, at: number, stored: boolean) => {
      const one = job("sparse", "");
      const path = `${jail.path}${one.path}`;
      fs.truncateSync(path, size);
      const fd = fs.openSync(path, "r+");
      if (stored) fs.writeSync(fd, new Uint8Array(size));
      fs.writeSync(fd, "x", at);
      fs.closeSync(fd);
      fs.copyFileSync(path, `${jail.base}/dense`);
      const dense = { path: `${jail.base}/dense`, stamp: stampOf(statAt(AT_FDCWD, `${jail.base}/dense`)) };
      const stamp = stampOf(statAt(AT_FDCWD, path));
      const { verdict, digest } = compare({ path: one.path, stamp, source: dense }, true);
      expect(verdict).toBe("same");
      return digest;
    };
    const places = [0, BLOCK - 1, BLOCK, 2 * BLOCK + 1, 3 * BLOCK + 4];
    const digests = places.map((at) => digestOf(3 * BLOCK + 5, at, false));
    expect(places.map((at) => digestOf(3 * BLOCK + 5, at, true))).toEqual(digests);
    expect(new Set([...digests, digestOf(3 * BLOCK + 6, 0, false)]).size).toBe(places.length + 1);
  });

  test("a file that is shorter than it was is not the same, though only a hole is missing", () => {
    const path = `${jail.path}/usr/short`;
    fs.writeFileSync(path, "x");
    fs.truncateSync(path, 1 << 20);
    const open = () => fs.openSync(path, "r");
    expect(compareOpen(open(), open(), 1 << 20)).toBe("same");
    expect(compareOpen(open(), open(), (1 << 20) + 1)).toBe("ended");
    expect(compareOpen(open(), undefined, (1 << 20) + 1)).toBe("ended");
  });

  test("what was exchanged since it was seen is not taken for it", () => {
    const compare = createComparer(jail.root.fd);
    const written = job("written", "abc");
    fs.writeFileSync(`${jail.path}/usr/written`, "abc");
    expect(compare(written, false).verdict).toBe("changed");
    const linked = job("linked", "abc");
    fs.rmSync(`${jail.path}/usr/linked`);
    fs.symlinkSync(`${jail.base}/linked`, `${jail.path}/usr/linked`);
    expect(compare(linked, false)).toMatchObject({ verdict: "unreadable" });
    const piped = job("piped", "abc");
    fs.rmSync(`${jail.path}/usr/piped`);
    expect(Bun.spawnSync(["mkfifo", `${jail.path}/usr/piped`]).success).toBe(true);
    expect(compare(piped, false).verdict).toBe("changed");
    const moved = job("moved", "abc");
    fs.renameSync(`${jail.path}/usr`, `${jail.path}/usr2`);
    fs.symlinkSync("usr2", `${jail.path}/usr`);
    expect(compare(moved, false)).toMatchObject({ verdict: "unreadable" });
  });

  test("what is gone cannot be read", () => {
    const compare = createComparer(jail.root.fd);
    const lost = job("lost", "abc");
    fs.rmSync(lost.source?.path ?? "");
    expect(compare(lost, false)).toMatchObject({
      verdict: "unreadable",
      reason: expect.stringContaining("lost"),
    });
  });

  test("in several threads: the same outcomes, in the order of the jobs", async () => {
    // Sparse, so that they take no space: more than one thread's worth.
    const jobs = Array.from({ length: 9 }, (_, i) => {
      const one = job(`f${i}`, "");
      for (const path of [`${jail.path}${one.path}`, one.source?.path ?? ""]) fs.truncateSync(path, 20 << 20);
      if (i % 3 === 1) {
        const fd = fs.openSync(`${jail.path}${one.path}`, "r+");
        fs.writeSync(fd, "x", (20 << 20) - 1 - i);
        fs.closeSync(fd);
      }
      const stamp = (path: string) => stampOf(statAt(AT_FDCWD, path));
      const source = one.source?.path ?? "";
      return {
        path: one.path,
        stamp: stamp(jail.path + one.path),
        source: { path: source, stamp: stamp(source) },
      };
    });
    const sizes = jobs.map(() => 20 << 20);
    const outcomes = await startComparisons(jail.root.fd, jobs, sizes, false).finished();
    expect(outcomes.map(({ verdict }) => verdict)).toEqual(
      jobs.map((_, i) => (i % 3 === 1 ? "different" : "same")),
    );
    const digests = await startComparisons(
      jail.root.fd,
      jobs.slice(0, 8),
      sizes.slice(0, 8),
      true,
    ).finished();
    expect(new Set(digests.flatMap(({ digest }) => digest ?? [])).size).toBe(1);
  });
});

test("share: every job once, and no thread has much more than another", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1 << 22), { minLength: 8 }),
      fc.integer({ min: 2, max: 8 }),
      (sizes, threads) => {
        const parts = share(sizes, threads);
        expect(parts.flat().sort((a, b) => a - b)).toEqual(sizes.map((_, i) => i));
        const totals = parts.map((part) => part.reduce((sum, i) => sum + (sizes[i] ?? 0) + 32768, 0));
        expect(Math.max(...totals) - Math.min(...totals)).toBeLessThanOrEqual(Math.max(...sizes) + 32768);
      },
    ),
  );
});

describe("what is kept for the next check", () => {
  const text = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) });

  test("comes back as it was, whatever bytes are in the names", () => {
    const verified = fc.record({
      stamp: text,
      source: text,
      sourceStamp: text,
      digest: fc.option(text, { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(text, verified)), (list) => {
        const files = new Map<string, Verified>(
          list.map(([path, { digest, ...rest }]) => [path, digest ? { ...rest, digest } : rest]),
        );
        const back = parseVerified(formatVerified(files));
        expect(
          [...back].map(([path, { digest, ...rest }]) => [path, digest ? { ...rest, digest } : rest]),
        ).toEqual([...files]);
      }),
    );
  });

  test("is only what cannot change unseen: a file that was written just now can", () => {
    const second = 1_000_000_000n;
    const stat = statAt(AT_FDCWD, `${jail.path}/usr`);
    expect(isSettled({ ...stat, ctime: 100n * second }, 103n * second)).toBe(true);
    expect(isSettled({ ...stat, ctime: 100n * second }, 101n * second)).toBe(false);
    expect(isSettled({ ...stat, ctime: 100n * second }, 90n * second)).toBe(false);
  });

  test.each([
    ["another user owns", { uid: 1000 }],
    ["a group, or an ACL, lets others write", { mode: 0o100664 }],
    ["everybody may write", { mode: 0o100646 }],
  ])(
    "is only what root alone can write, since a mapped file keeps its ctime: not what %s",
    (_what, change) => {
      const stat = { ...statAt(AT_FDCWD, `${jail.path}/usr`), ctime: 0n, uid: 0, mode: 0o100644 };
      const now = 10_000_000_000n;
      expect(isSettled(stat, now)).toBe(true);
      expect(isSettled({ ...stat, ...change }, now)).toBe(false);
    },
  );

  test("a file is read again by jk_update if anything in its stamp or in that of the source is new", () => {
    const path = `${jail.path}/usr/tool`;
    const source = `${jail.base}/tool`;
    for (const file of [path, source]) fs.writeFileSync(file, "the same");
    const old = (file: string) => ({ ...statAt(AT_FDCWD, file), ctime: 1n, uid: 0, mode: 0o100755 });
    const [here, there] = [old(path), old(source)];
    const sources = { stat: there };
    const contents = new KnownContents(jail.root, { source: () => sources.stat }, undefined);
    const same = (stat = here, from = source) => contents.same("/usr/tool", from, stat);
    expect(same()).toBe(true);
    // As nobody can do: the content changes, and the stamp does not. It shows that the file is not read.
    fs.writeFileSync(source, "another!");
    expect(same()).toBe(true);
    for (const change of [{ ctime: 2n }, { mtime: 2n }, { uid: 1000 }, { mode: 0o100757 }]) {
      expect([change, same({ ...here, ...change })]).toEqual([change, false]);
      sources.stat = { ...there, ...change };
      expect([change, same()]).toEqual([change, false]);
      sources.stat = there;
    }
    fs.copyFileSync(source, `${source}2`);
    expect(same(here, `${source}2`)).toBe(false);
  });

  test("goes when the jail is forgotten", () => {
    const registry = `${jail.base}/jails`;
    saveVerified(registry, "id", new Map([["/a", { stamp: "1", source: "/a", sourceStamp: "2" }]]));
    expect(fs.readdirSync(`${registry}/id`)).toEqual(["verified.json"]);
    forgetJail("id", registry);
    expect(fs.existsSync(`${registry}/id`)).toBe(false);
  });

  test("is nothing where it makes no sense", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((json) => Buffer.from(json)),
        ),
        (content) => {
          expect(parseVerified(content).size).toBe(0);
        },
      ),
    );
  });
});

test("fileUri", () => {
  expect(fileUri("/srv/a b/%/\xc3\xa4\n")).toBe("file:///srv/a%20b/%25/%C3%A4%0A");
  fc.assert(
    fc.property(
      fc.string({ unit: fc.integer({ min: 1, max: 127 }).map((code) => String.fromCharCode(code)) }),
      (name) => {
        expect(decodeURIComponent(fileUri(`/${name}`))).toBe(`file:///${name}`);
      },
    ),
  );
});

test("every section of jk_init.ini that brings programs has a smoke test", () => {
  const text = fs.readFileSync(`${import.meta.dir}/../../config/jk_init.ini`, "latin1");
  const sections = [...text.matchAll(/^\[(\w+)\]/gm)].map((match) => match[1] ?? "");
  const tested = new Set(SMOKE_TESTS.flatMap((one) => one.sections));
  // Data alone, or a socket; the limited shell, which jk_chrootsh runs itself; aliases, which bring sections that have tests.
  const data = [
    "uidbasics",
    "livebasics",
    "netbasics",
    "logbasics",
    "terminfo",
    "xclients",
    "timezones",
    "certificates",
    "clocale",
    "messages",
    "mysqlsocket",
    "postgresqlsocket",
  ];
  const without = [...data, "jk_lsh", "limitedshell"];
  expect(sections.filter((name) => !tested.has(name)).sort()).toEqual(without.sort());
});
