/** Files with holes take no more space after they are moved or copied. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const TERABYTE = 2 ** 40;
const DISK = "/srv/disk";
let m: Machine;
beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: ["jk_init", "jk_cp", "jk_update", "jk_jailuser", "jk_chrootsh", "jk_check", "jailkit"],
  });
  m.write(
    "/etc/jailkit/jk_init.d/test.ini",
    "[one]\npaths = cat, /usr/share/sparse\nincludesections = uidbasics\n",
  );
  m.mkdir(DISK);
  m.must(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0755", "tmpfs", DISK]);
});
afterAll(async () => m.close());

/** Data of several kinds at several places, and a hole at the end. `pieces`: offset and length. */
const PIECES = [
  [0, 4096],
  [TERABYTE, 200_000],
  [3 * TERABYTE + 12_345, 77],
] as const;
const SIZE = 4 * TERABYTE;

function makeSparse(
  path: string,
  pieces: readonly (readonly [number, number])[] = PIECES,
  size = SIZE,
): void {
  m.must(["truncate", "-s", String(size), path]);
  pieces.forEach(([offset, length], index) => {
    const stdin = Buffer.alloc(length, 65 + index);
    m.must(["dd", `of=${path}`, "conv=notrunc", "oflag=seek_bytes", `seek=${offset}`, "status=none"], {
      stdin,
    });
  });
}

/** Reads a piece, and a bit of the hole before and after it. */
function around(path: string, [offset, length]: readonly [number, number]): string {
  const start = Math.max(0, offset - 100);
  const count = length + 200;
  return m.must([
    "dd",
    `if=${path}`,
    "iflag=skip_bytes,count_bytes,fullblock",
    `skip=${start}`,
    `count=${count}`,
    "status=none",
  ]).stdout;
}

const blocks = (path: string) => Number(m.must(["stat", "-c", "%b", path]).stdout) * 512;

function expectSame(copy: string, original: readonly string[]): void {
  expect(m.stat(copy)?.size).toBe(SIZE);
  expect(PIECES.map((piece) => around(copy, piece))).toEqual([...original]);
  expect(blocks(copy)).toBeLessThan(1 << 20);
}

test.each([
  ["to another file system, a small one", DISK],
  ["on its own", "/srv"],
])("a file of four terabytes moves with a home %s, and back", (title, above) => {
  const [jail, name] = [`${above}/jail`, `big${title.length}`];
  m.must(["jk_init", "-j", jail, "uidbasics"]);
  m.addUser(name, { home: `/home/${name}`, createHome: true });
  const [old, moved] = [`/home/${name}/sparse`, `${jail}/home/${name}/sparse`];
  makeSparse(old);
  m.must(["chown", "-R", `${name}:`, `/home/${name}`]);
  const original = PIECES.map((piece) => around(old, piece));
  expect(original.map((text) => text.length)).toEqual([4296, 200_200, 277]);
  expect(m.run(["jk_jailuser", "-m", "-j", jail, name])).toMatchObject({
    status: 0,
    stderr: expect.stringMatching(/^[^\n]* can run nothing: [^\n]*\n$/),
  });
  expectSame(moved, original);
  expect(m.run(["jk_jailuser", "--unjail", "-m", name])).toMatchObject({ status: 0, stderr: "" });
  expectSame(old, original);
});

test.each([
  ["a hole alone", [], 8 * 2 ** 20],
  ["data to the end", [[2 ** 20, 2 ** 20]], 2 * 2 ** 20],
  ["a hole at the end", [[0, 2 ** 20]], 8 * 2 ** 20],
  ["no hole", [[0, 2 ** 20]], 2 ** 20],
  [
    "ends amid a block",
    [
      [5, 7],
      [2 ** 20 + 3, 1],
    ],
    2 ** 20 + 4,
  ],
] as const)("jk_cp, jk_init and jk_update copy %s byte by byte", (title, pieces, size) => {
  const jail = `/srv/sparse-${title.replaceAll(" ", "-")}`;
  const source = "/usr/share/sparse";
  m.must(["rm", "-f", source]);
  makeSparse(source, pieces, size);
  const same = (path: string) => {
    m.must(["cmp", source, path]);
    expect(m.stat(path)?.size).toBe(size);
    expect(blocks(path)).toBeLessThanOrEqual(blocks(source) + 65_536);
  };
  m.must(["jk_init", "-j", jail, "one"]);
  same(`${jail}${source}`);
  m.must(["cp", "--sparse=always", source, "/usr/share/sparse2"]);
  m.must(["jk_cp", "-j", jail, "/usr/share/sparse2"]);
  same(`${jail}/usr/share/sparse2`);
  m.must(["truncate", "-s", "+1", source]);
  m.must(["jk_update", "-j", jail]);
  m.must(["cmp", source, `${jail}${source}`]);
});

test("jk_check and jk_update skip the holes of a file of four terabytes, and find what differs behind them", () => {
  const jail = "/srv/sparse-checked";
  const source = "/usr/share/sparse";
  m.must(["rm", "-f", source, "/usr/share/sparse2"]);
  makeSparse(source);
  m.must(["jk_init", "-j", jail, "one"]);
  const copy = `${jail}${source}`;
  const rules = (...options: string[]) => {
    const { stdout } = m.run(["jk_check", "--json", ...options, "-j", jail]);
    const { jails } = reportOf(checkReportSchema, stdout);
    const findings = jails.flatMap((one) => one.findings);
    return findings.filter(({ path }) => path === copy).map(({ rule }) => rule);
  };
  const write = (path: string, offset: number, text: string) =>
    m.must(["dd", `of=${path}`, "conv=notrunc", "oflag=seek_bytes", `seek=${offset}`, "status=none"], {
      stdin: text,
    });
  expect(rules("--full")).toEqual([]);
  expect(m.run(["jk_update", "--check", "-j", jail])).toMatchObject({ status: 0, stderr: "" });
  // Zeros instead of a hole are the same content.
  write(copy, 2 * TERABYTE, "\0");
  expect(rules()).toEqual([]);
  write(copy, 2 * TERABYTE, "x");
  expect(rules()).toEqual(["different-content"]);
  m.must(["jk_update", "-j", jail]);
  expect(rules()).toEqual([]);
  // Data that the jail's file alone lacks.
  write(source, TERABYTE / 2, "x");
  m.must(["touch", "-r", copy, source]);
  expect(rules()).toEqual(["different-content"]);
});
