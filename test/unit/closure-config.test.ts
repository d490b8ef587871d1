import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { abiOf } from "../../src/libraries/elf/abi.ts";
import { builtInDirectories } from "../../src/libraries/interpreter.ts";
import { RootView } from "../../src/libraries/root-view.ts";
import { parseScriptLine } from "../../src/libraries/script.ts";
import { hwcapSubdirectories, platformOn } from "../../src/libraries/search/hwcaps.ts";
import { parseLinkerCache } from "../../src/libraries/search/ld-cache.ts";
import { readLinkerConf } from "../../src/libraries/search/ld-conf.ts";
import { parseNsswitch } from "../../src/system/name-services.ts";
import { makeCache } from "./elf-builder.ts";
import { temporaryRoot } from "./temporary-root.ts";

describe("ld.so.cache", () => {
  const lines: [string, string, string?][] = [
    ["libz.so.1", "/lib/libz.so.1"],
    ["libz.so.1", "/lib/glibc-hwcaps/x86-64-v3/libz.so.1", "x86-64-v3"],
    ["liba.so", "/opt/liba.so"],
  ];
  for (const little of [true, false]) {
    for (const old of [true, false]) {
      test(`${little ? "little" : "big"} endian${old ? ", after the old format" : ""}`, () => {
        const cache = parseLinkerCache(makeCache(lines, { little, old }));
        expect(cache?.entries("libz.so.1")).toEqual([
          { path: "/lib/libz.so.1", hwcap: undefined },
          { path: "/lib/glibc-hwcaps/x86-64-v3/libz.so.1", hwcap: "x86-64-v3" },
        ]);
        expect(cache?.entries("liba.so")).toHaveLength(1);
        expect(cache?.entries("libb.so")).toEqual([]);
      });
    }
  }

  test.skipIf(!existsSync("/sbin/ldconfig") || !existsSync("/etc/ld.so.cache"))(
    "as ldconfig -p prints it",
    () => {
      const { stdout } = Bun.spawnSync(["/sbin/ldconfig", "-p"]);
      const cache = parseLinkerCache(readFileSync("/etc/ld.so.cache"));
      const printed = [...stdout.toString("latin1").matchAll(/^\t(\S+) \(libc6.*\) => (.*)$/gm)];
      expect(printed.length).toBeGreaterThan(0);
      for (const [, name, path] of printed) {
        expect(cache?.entries(name ?? "").map((entry) => entry.path)).toContain(path);
      }
    },
  );

  test("a randomly damaged cache is ignored or read", () => {
    const original = makeCache(lines, { little: true, old: true });
    const change = fc.tuple(fc.nat(original.length - 1), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), fc.nat(original.length), (changes, length) => {
        const bytes = Buffer.from(original.subarray(0, length < 10 ? original.length : length));
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        for (const entry of parseLinkerCache(bytes)?.entries("libz.so.1") ?? [])
          expect(entry.path).toStartWith("/");
      }),
      { numRuns: 300 },
    );
  });
});

describe("ld.so.conf", () => {
  function directories(files: Record<string, string>) {
    using root = temporaryRoot(files);
    using view = new RootView(root.path);
    return readLinkerConf(view);
  }

  test("directories, comments, types, and includes by pattern in order", () => {
    const conf = directories({
      "etc/ld.so.conf":
        "# all\n/first/  # here\ninclude ld.so.conf.d/*.conf\n\n/last = libc6\nhwcap 0 nosegneg\nrelative",
      "etc/ld.so.conf.d/b.conf": "/b\n",
      "etc/ld.so.conf.d/a.conf": "/a\n/first",
      "etc/ld.so.conf.d/.hidden.conf": "/hidden",
      "etc/ld.so.conf.d/other": "/other",
    });
    expect(conf.directories).toEqual(["/first", "/a", "/b", "/last"]);
    expect(conf.files).toEqual(["/etc/ld.so.conf", "/etc/ld.so.conf.d/a.conf", "/etc/ld.so.conf.d/b.conf"]);
  });

  test("every wildcard of glob(7), in directories too", () => {
    const conf = directories({
      "etc/ld.so.conf": "include /opt/*/ld?/[a-c]x[!0].conf /none/*.conf",
      "opt/one/ld1/axa.conf": "/1",
      "opt/two/ld2/bx0.conf": "/2",
      "opt/two/ld2/dxa.conf": "/3",
      "opt/two/ldxx/cxa.conf": "/4",
      "opt/two/ld.+/cx(.conf": "/5",
    });
    expect(conf.directories).toEqual(["/1"]);
  });

  test("files that include themselves or each other are read once", () => {
    const conf = directories({
      "etc/ld.so.conf": "include ld.so.conf\ninclude a.conf\n/x",
      "etc/a.conf": "include ld.so.conf a.conf ../etc/*.conf\n/a",
    });
    expect(conf.directories).toEqual(["/a", "/x"]);
  });

  test("a symbolic link out of the root stays in the root", () => {
    const conf = directories({ "etc/ld.so.conf": "-> /../../../../real.conf", "real.conf": "/inside" });
    expect(conf.directories).toEqual(["/inside"]);
  });

  test("none", () => expect(directories({ "etc/": "" })).toEqual({ directories: [], files: [] }));
});

test("the directories that are built into ld.so", () => {
  const blob = "/bin/sh\0/proc/self/\0\0/lib/x-gnu/\0/usr/lib/x-gnu/\0/lib/\0/usr/lib/\0/var/tmp/\0/etc/\0";
  expect(builtInDirectories(Buffer.from(`\x7fELF${"\0".repeat(99)}${blob}`, "latin1"))).toEqual([]);
  const apart = blob.replace("/var/", "x\0/var/");
  const found = ["/lib/x-gnu", "/usr/lib/x-gnu", "/lib", "/usr/lib"];
  expect(builtInDirectories(Buffer.from(apart, "latin1"))).toEqual(found);
  expect(builtInDirectories(Buffer.from(`${apart}x\0/usr/lib/other/\0`, "latin1"))).toEqual(found);
  expect(builtInDirectories(Buffer.from("\0/usr/lib64/\0\0", "latin1"))).toEqual(["/usr/lib64"]);
});

test("glibc-hwcaps, by the processor", () => {
  const x86 = abiOf(64, true, 62, 0);
  const v2 = "flags\t\t: fpu cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3";
  const v3 = `${v2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave`;
  expect(hwcapSubdirectories(x86, "")).toEqual([]);
  expect(hwcapSubdirectories(x86, v2)).toEqual(["x86-64-v2"]);
  expect(hwcapSubdirectories(x86, v3)).toEqual(["x86-64-v3", "x86-64-v2"]);
  expect(hwcapSubdirectories(x86, v3.replace("popcnt", ""))).toEqual([]);
  expect(hwcapSubdirectories(abiOf(32, true, 3, 0), v3)).toEqual([]);
  expect(hwcapSubdirectories(abiOf(64, true, 21, 0), "cpu\t\t: POWER9, altivec supported")).toEqual([
    "power9",
  ]);
  expect(hwcapSubdirectories(abiOf(64, false, 22, 0), "features\t: esan3 vx vxd vxe")).toEqual([
    "z14",
    "z13",
  ]);
});

test("$PLATFORM, by the processor", () => {
  const x86 = abiOf(64, true, 62, 0);
  const has = (flags: string, vendor = "GenuineIntel") => `vendor_id\t: ${vendor}\nflags\t\t: fpu ${flags}\n`;
  const haswell = "avx2 fma bmi1 bmi2 abm movbe popcnt";
  expect(platformOn(x86, "")).toBe("x86_64");
  expect(platformOn(x86, has(haswell))).toBe("haswell");
  expect(platformOn(x86, has(haswell.replace("movbe", "")))).toBe("x86_64");
  expect(platformOn(x86, has(haswell, "AuthenticAMD"))).toBe("x86_64");
  expect(platformOn(x86, has(`${haswell} avx512cd avx512er avx512pf`))).toBe("xeon_phi");
  expect(platformOn(abiOf(32, true, 3, 0), has(haswell))).toBe("i686");
});

test.skipIf(process.arch !== "x64" || !existsSync("/lib64/ld-linux-x86-64.so.2"))(
  "glibc-hwcaps of this processor, and its directories, agree with ld.so",
  () => {
    const loader = "/lib64/ld-linux-x86-64.so.2";
    const { stdout } = Bun.spawnSync([loader, "--help"], { env: {} });
    const help = stdout.toString("latin1");
    const theirs = [...help.matchAll(/^ {2}(\S+) \(supported, searched\)$/gm)].map((match) => match[1]);
    const cpuinfo = readFileSync("/proc/cpuinfo", "latin1");
    expect(hwcapSubdirectories(abiOf(64, true, 62, 0), cpuinfo)).toEqual(
      theirs.filter((name) => name !== undefined),
    );
    const diagnostics = Bun.spawnSync([loader, "--list-diagnostics"], { env: {} }).stdout.toString("latin1");
    expect(platformOn(abiOf(64, true, 62, 0), cpuinfo)).toBe(
      /^dl_platform="(.*)"$/m.exec(diagnostics)?.[1] ?? "",
    );
    const directories = [...help.matchAll(/^ {2}(\S+) \(system search path\)$/gm)].map(
      (match) => match[1] ?? "",
    );
    expect(builtInDirectories(readFileSync(loader))).toEqual(directories);
  },
);

test("nsswitch.conf", () => {
  const text =
    "# c\npasswd:  files [!NOTFOUND=return] systemd # x\nhosts:\tfiles mdns4_minimal dns\nbroken\nempty:\n";
  expect([...parseNsswitch(text)]).toEqual([
    ["passwd", ["files", "systemd"]],
    ["hosts", ["files", "mdns4_minimal", "dns"]],
    ["empty", []],
  ]);
});

describe("#! lines", () => {
  const cases: [string, string | undefined, string?][] = [
    ["#!/bin/sh\n", "/bin/sh"],
    ["#! \t/bin/sh -e \necho", "/bin/sh"],
    ["#!/bin/sh\0x", "/bin/sh"],
    ["#!/bin/sh", "/bin/sh"],
    ["#!/bin/s\xffh;x\n", "/bin/s\xffh;x"],
    ["#!\n/bin/sh", undefined],
    ["#!   \n", undefined],
    ["# !/bin/sh\n", undefined],
    ["", undefined],
    [`#!/${"a".repeat(300)}\n`, undefined],
    [`#!/bin/sh ${"a".repeat(300)}\n`, "/bin/sh"],
    ["#!/usr/bin/env python3\n", "/usr/bin/env", "python3"],
    ["#!/usr/bin/env python3 -u\n", "/usr/bin/env", "python3 -u"],
    ["#!/usr/bin/env -S python3 -u\n", "/usr/bin/env", "python3"],
    ["#!/usr/bin/env -S -i -u HOME A=1 'B=2 3' perl -w\n", "/usr/bin/env", "perl"],
    ["#!/usr/bin/env -vS perl\n", "/usr/bin/env", "perl"],
    ["#!/usr/bin/env --split-string=perl -w\n", "/usr/bin/env", "perl"],
    ["#!/usr/bin/env -i\n", "/usr/bin/env"],
    ["#!/usr/bin/env A=b\n", "/usr/bin/env"],
    ["#!/usr/bin/env\n", "/usr/bin/env"],
    ["#!/usr/bin/envy perl\n", "/usr/bin/envy"],
  ];
  for (const [start, interpreter, lookedUp] of cases) {
    test(JSON.stringify(start.slice(0, 40)), () => {
      const line = parseScriptLine(start);
      expect(line).toEqual(interpreter === undefined ? undefined : { interpreter, lookedUp });
    });
  }
});
