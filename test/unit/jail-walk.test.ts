import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { lookUp, readJailFile } from "../../src/jail/fs/look.ts";
import { closeJailRoot, openJailRoot, release, walk } from "../../src/jail/fs/walk.ts";
import { codeOf, makeJail, messageOf, type TestJail, USER } from "./jail-helper.ts";

let jail: TestJail;
beforeEach(() => {
  jail = makeJail();
});
afterEach(() => jail.close());

/** Where a path leads, without links. */
function walked(path: string): string {
  const directory = walk(jail.root, path);
  release(directory);
  return directory.path;
}

describe("openJailRoot", () => {
  test("accepts an absolute path without symbolic links, in any spelling", () => {
    const root = openJailRoot(`${jail.base}//x/.././jail/`);
    expect(root.path).toBe(jail.path);
    expect(root.ancestors.map(({ path }) => path)).toEqual(["/", "/dev", "/dev/shm", jail.base]);
    closeJailRoot(root);
  });
  test("refuses a path that is not a jail, and names it", () => {
    symlinkSync("jail", `${jail.base}/link`);
    writeFileSync(`${jail.base}/file`, "");
    expect(codeOf(() => openJailRoot("jail"))).toBe("relative-path");
    expect(codeOf(() => openJailRoot("/"))).toBe("jail-is-root");
    expect(codeOf(() => openJailRoot("/x/../."))).toBe("jail-is-root");
    expect(codeOf(() => openJailRoot(`${jail.base}/link`))).toBe("link-in-jail-path");
    expect(messageOf(() => openJailRoot(`${jail.base}/link/etc`))).toStartWith(`${jail.base}/link: `);
    expect(codeOf(() => openJailRoot(`${jail.base}/file`))).toBe("not-a-directory");
    expect(messageOf(() => openJailRoot(`${jail.base}/none/x`))).toStartWith(`${jail.base}/none: `);
  });
});

describe("walk", () => {
  test("follows symbolic links of root as the jail sees them", () => {
    mkdirSync(`${jail.path}/usr/lib`);
    symlinkSync("usr/lib", `${jail.path}/lib`);
    symlinkSync("/usr/lib", `${jail.path}/lib64`);
    symlinkSync("../../../../usr", `${jail.path}/etc/up`);
    expect(walked("/lib")).toBe("/usr/lib");
    expect(walked("lib64/")).toBe("/usr/lib");
    expect(walked("/etc/up/lib")).toBe("/usr/lib");
    expect(walked("/lib/..")).toBe("/usr");
    expect(walked("/lib/../../../..")).toBe("/");
    // again, from what is remembered now
    expect(walked("/lib64/..")).toBe("/usr");
    expect(walked("/lib")).toBe("/usr/lib");
  });
  test("refuses a symbolic link below a directory that users can write, and names it", () => {
    symlinkSync("/etc", `${jail.path}/home/u/x`);
    mkdirSync(`${jail.path}/home/u/d`);
    symlinkSync("/etc", `${jail.path}/home/u/d/root-made`);
    expect(codeOf(() => walk(jail.root, "/home/u/x"))).toBe("link-in-untrusted-directory");
    expect(messageOf(() => walk(jail.root, "/home/u/d/root-made/y"))).toStartWith(
      `${jail.path}/home/u/d/root-made: `,
    );
  });
  test("fails on loops, and names a missing directory or a file in its place", () => {
    symlinkSync("b", `${jail.path}/a`);
    symlinkSync("a", `${jail.path}/b`);
    writeFileSync(`${jail.path}/etc/f`, "");
    expect(codeOf(() => walk(jail.root, "/a"))).toBe("ELOOP");
    expect(messageOf(() => walk(jail.root, "/etc/none/x"))).toStartWith(`${jail.path}/etc/none: `);
    expect(codeOf(() => walk(jail.root, "/etc/f/x"))).toBe("ENOTDIR");
  });
  test("knows the owner of a directory, sticky or not", () => {
    mkdirSync(`${jail.path}/tmp`, { mode: 0o777 });
    expect(walk(jail.root, "/usr").trusted).toBe(true);
    const home = walk(jail.root, "/home/u");
    expect([home.trusted, home.stage?.path, home.cached]).toEqual([false, "/home", false]);
    release(home);
  });
  test("keeps a bounded number of descriptors", () => {
    for (let i = 0; i < 400; i++) {
      mkdirSync(`${jail.path}/usr/${i}`);
      walked(`/usr/${i}`);
    }
    expect(jail.root.cache.size).toBeLessThan(300);
    expect(readdirSync("/proc/self/fd").length).toBeLessThan(350);
    expect(walked("/usr/1")).toBe("/usr/1");
  });
});

describe("lookUp", () => {
  test("reports the kind of a file, without following the last symbolic link", () => {
    symlinkSync("/usr", `${jail.path}/etc/l`);
    symlinkSync("/nowhere", `${jail.path}/etc/d`);
    expect(lookUp(jail.root, "/etc/l")?.canonicalPath).toBe("/etc/l");
    expect(lookUp(jail.root, "/etc/l", { follow: true })?.canonicalPath).toBe("/usr");
    expect(lookUp(jail.root, "/etc/d")?.canonicalPath).toBe("/etc/d");
    expect(lookUp(jail.root, "/etc/d", { follow: true })).toBeUndefined();
    expect(lookUp(jail.root, "/none/x")).toBeUndefined();
    expect(lookUp(jail.root, "/")?.stat.uid).toBe(0);
    expect(lookUp(jail.root, "/home/u/..")?.canonicalPath).toBe("/home");
    expect(lookUp(jail.root, "/home/u")?.stat.uid).toBe(USER);
  });
});

describe("readJailFile", () => {
  test("reads only regular files, also through symbolic links of root", () => {
    writeFileSync(`${jail.path}/usr/f`, "text");
    symlinkSync("../usr/f", `${jail.path}/etc/f`);
    expect(fromBytes(readJailFile(jail.root, "/etc/f", 10) ?? new Uint8Array())).toBe("text");
    expect(codeOf(() => readJailFile(jail.root, "/etc/f", 3))).toBe("EFBIG");
    expect(codeOf(() => readJailFile(jail.root, "/etc", 10))).toBe("EINVAL");
    expect(readJailFile(jail.root, "/etc/none", 10)).toBeUndefined();
    symlinkSync("/etc/passwd", `${jail.path}/home/u/f`);
    expect(codeOf(() => readJailFile(jail.root, "/home/u/f", 10))).toBe("link-in-untrusted-directory");
  });
  test("reads a file while another program replaces it by renaming", async () => {
    const [path, fresh] = [`${jail.path}/etc/f`, `${jail.path}/etc/.f`];
    writeFileSync(path, "text");
    const script = `const { renameSync, writeFileSync, writeSync } = require("node:fs");
      for (let n = 0; ; n++) {
        writeFileSync(${JSON.stringify(fresh)}, "text");
        renameSync(${JSON.stringify(fresh)}, ${JSON.stringify(path)});
        if (n === 0) writeSync(1, "begun");
      }`;
    const other = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
    await other.stdout.getReader().read();
    const seen = new Set<ByteString | undefined>();
    for (let n = 0; n < 5_000; n++)
      seen.add(fromBytes(readJailFile(jail.root, "/etc/f", 10) ?? new Uint8Array()));
    other.kill();
    await other.exited;
    expect([...seen]).toEqual(["text"]);
  });
  test("does not follow a symbolic link of the host", () => {
    writeFileSync(`${jail.base}/secret`, "secret");
    symlinkSync(`${jail.base}/secret`, `${jail.path}/etc/s`);
    chownSync(`${jail.base}/secret`, 0, 0);
    expect(readJailFile(jail.root, "/etc/s", 10)).toBeUndefined();
  });
});
