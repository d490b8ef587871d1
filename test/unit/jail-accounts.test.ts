import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { toBytes } from "../../ffi/bytes.ts";
import {
  formatAccounts,
  formatPasswdLine,
  parseGroup,
  parsePasswd,
  parsePasswdLine,
} from "../../src/jail/accounts/account-lines.ts";
import { readJailAccounts } from "../../src/jail/accounts/accounts.ts";
import {
  type AccountsEditor,
  tryJailAccounts,
  updateJailAccounts,
} from "../../src/jail/accounts/change-accounts.ts";
import { closeJailRoot, openJailRoot } from "../../src/jail/fs/walk.ts";
import { ACCOUNT_FILE_LIMIT } from "../../src/system/flat-accounts.ts";
import { codeOf, makeJail, messageOf, type TestJail, USER } from "./jail-helper.ts";

const user = (name: string, uid: number) => ({
  name,
  password: "x",
  uid,
  gid: 100,
  gecos: "",
  home: `/home/${name}`,
  shell: "/usr/sbin/jk_lsh",
});
const group = (name: string, gid: number, ...members: string[]) => ({ name, password: "x", gid, members });

describe("parsing", () => {
  test("passwd", () => {
    expect(parsePasswdLine("u:x:4294967294:0::/:/bin/sh")?.uid).toBe(4294967294);
    expect(parsePasswdLine("u:x:1234567890:1:\xff:/h:")?.gecos).toBe("\xff");
    for (const line of [
      "",
      "u",
      "u:x:1:1::/h",
      "u:x:1:1::/h:/s:more",
      ":x:1:1::/h:/s",
      "u:x::1::/h:/s",
      "u:x:1:-1::/h:/s",
      "u:x:0x1:1::/h:/s",
      "u:x: 1:1::/h:/s",
      "u:x:4294967295:1::/h:/s",
      "u:x:99999999999:1::/h:/s",
      "+:x:1:1::/h:/s",
      "-u:x:1:1::/h:/s",
      "#u:x:1:1::/h:/s",
      "u\0:x:1:1::/h:/s",
    ]) {
      expect(parsePasswdLine(line)).toBeUndefined();
    }
  });
  test("group, and every line is kept", () => {
    const file = "g:x:1:a,,b\nshort:x:2\nbad:x\n#c:x:1:\n\nlast:x:3:z";
    const parsed = parseGroup(toBytes(file));
    expect(parsed.map(({ entry }) => entry && [entry.name, entry.gid, entry.members])).toEqual([
      ["g", 1, ["a", "b"]],
      ["short", 2, []],
      undefined,
      undefined,
      undefined,
      ["last", 3, ["z"]],
    ]);
    expect(formatAccounts(parsed)).toEqual(toBytes(`${file}\n`));
    expect(parsePasswd(new Uint8Array())).toEqual([]);
  });
  test("a value that does not fit into a line is refused", () => {
    for (const bad of ["a:b", "a\nb", "", "#a", "+", "a,b", "a/b"]) {
      expect(codeOf(() => formatPasswdLine(user(bad, 1)))).toBe("bad-account-field");
    }
    expect(codeOf(() => formatPasswdLine({ ...user("u", 1), gecos: "a\nroot:x:0:0::/:/bin/sh" }))).toBe(
      "bad-account-field",
    );
    expect(codeOf(() => formatPasswdLine(user("u", 0xffffffff)))).toBe("bad-account-field");
  });
});

describe("the accounts of a jail", () => {
  let jail: TestJail;
  beforeEach(() => {
    jail = makeJail();
  });
  afterEach(() => jail.close());
  const put = (name: string, content: string) => writeFileSync(`${jail.path}/etc/${name}`, content);
  const read = (name: string) => readFileSync(`${jail.path}/etc/${name}`, "latin1");

  test("are looked up by name and number; the first counts", () => {
    put("passwd", "u:x:5:1::/a:/s\nu:x:6:1::/b:/s\nv:x:5:1::/c:/s\n");
    put("group", "g:x:5:u\n");
    const accounts = readJailAccounts(jail.root);
    expect(accounts.userByName("u")?.uid).toBe(5);
    expect(accounts.userByUid(5)?.name).toBe("u");
    expect(accounts.userByUid(6)?.home).toBe("/b");
    expect(accounts.groupByGid(5)?.members).toEqual(["u"]);
    expect(accounts.groupByName("none")).toBeUndefined();
  });
  test("a jail without account files has none, and gets both with the first change", () => {
    expect(readJailAccounts(jail.root).users).toEqual([]);
    updateJailAccounts(jail.root, () => undefined);
    expect([read("passwd"), read("group")]).toEqual(["", ""]);
    expect(lstatSync(`${jail.path}/etc/passwd`).mode & 0o7777).toBe(0o644);
    expect(lstatSync(`${jail.path}/etc/.jailkit.lock`).mode & 0o7777).toBe(0o600);
  });
  test("get an entry once, after a line without newline; the rest, owner and mode stay", () => {
    put("passwd", "#comment\nroot:x:0:0:root:/root:/bin/sh");
    put("group", "junk\ncc:x:9:spcc");
    chmodSync(`${jail.path}/etc/group`, 0o640);
    chownSync(`${jail.path}/etc/group`, 0, 42);
    const add = () =>
      updateJailAccounts(jail.root, (accounts) => [
        accounts.addUser(user("u", 1_234_567_890)),
        accounts.addGroup(group("users", 100)),
        accounts.addMember("cc", "u"),
        accounts.users.length,
      ]);
    expect(add()).toEqual(["added", "added", "added", 2]);
    const inode = lstatSync(`${jail.path}/etc/group`).ino;
    expect(add()).toEqual(["present", "present", "present", 2]);
    expect(lstatSync(`${jail.path}/etc/group`).ino).toBe(inode);
    expect(read("passwd")).toBe(
      "#comment\nroot:x:0:0:root:/root:/bin/sh\nu:x:1234567890:100::/home/u:/usr/sbin/jk_lsh\n",
    );
    expect(read("group")).toBe("junk\ncc:x:9:spcc,u\nusers:x:100:\n");
    const { mode, gid } = lstatSync(`${jail.path}/etc/group`);
    expect([mode & 0o7777, gid]).toEqual([0o640, 42]);
  });
  test("a conflict is reported, and nothing is written", () => {
    put("passwd", "u:x:5:1::/a:/s\n");
    put("group", "g:x:5:");
    const change = (act: Parameters<typeof updateJailAccounts>[1]) =>
      codeOf(() => updateJailAccounts(jail.root, act));
    expect(change((accounts) => [accounts.addUser(user("new", 7)), accounts.addUser(user("u", 6))])).toBe(
      "account-conflict",
    );
    expect(change((accounts) => accounts.addGroup(group("g", 6)))).toBe("account-conflict");
    expect(change((accounts) => accounts.addMember("none", "u"))).toBe("no-such-group");
    expect(
      messageOf(() => updateJailAccounts(jail.root, (accounts) => accounts.addUser(user("u", 6)))),
    ).toContain("'u' with uid 5, not 6");
    expect([read("passwd"), read("group")]).toEqual(["u:x:5:1::/a:/s\n", "g:x:5:"]);
  });
  test("are changed and removed", () => {
    put("passwd", "u:x:5:1:me:/a:/s\nv:x:6:1::/b:/s\n");
    put("group", "g:x:5:v,u\nh:x:6:u\n");
    updateJailAccounts(jail.root, (accounts) => {
      expect(accounts.changeUser("v", { home: "/c" })).toBe(true);
      expect(accounts.removeUser("u")).toBe(true);
      expect(accounts.removeUser("u")).toBe(false);
      expect(accounts.changeUser("u", {})).toBe(false);
    });
    expect([read("passwd"), read("group")]).toEqual(["v:x:6:1::/c:/s\n", "g:x:5:v\nh:x:6:\n"]);
  });
  test("a symbolic link of root to an account file stays, a large file is refused", () => {
    writeFileSync(`${jail.path}/usr/passwd`, "");
    symlinkSync("../usr/passwd", `${jail.path}/etc/passwd`);
    updateJailAccounts(jail.root, (accounts) => accounts.addUser(user("u", 5)));
    expect(lstatSync(`${jail.path}/etc/passwd`).isSymbolicLink()).toBe(true);
    expect(readFileSync(`${jail.path}/usr/passwd`, "utf8")).toStartWith("u:x:5:");
    put("group", "\n".repeat(ACCOUNT_FILE_LIMIT + 1));
    expect(messageOf(() => readJailAccounts(jail.root))).toContain(`${jail.path}/etc/group`);
  });
  test("are not changed if one file would become longer than what is read", () => {
    put("passwd", `#${"x".repeat(ACCOUNT_FILE_LIMIT - 10)}\n`);
    put("group", "root:x:0:\n");
    const inodes = () => ["passwd", "group"].map((name) => lstatSync(`${jail.path}/etc/${name}`).ino);
    const before = inodes();
    // The one that has room is written first.
    const add = (accounts: AccountsEditor) => [
      accounts.addGroup(group("users", 100)),
      accounts.addUser(user("u", 5)),
    ];
    for (const change of [tryJailAccounts, updateJailAccounts]) {
      expect(codeOf(() => change(jail.root, add))).toBe("file-full");
      expect(inodes()).toEqual(before);
    }
    expect(messageOf(() => updateJailAccounts(jail.root, add))).toStartWith(
      `${jail.path}/etc/passwd would have `,
    );
  });
  test("are not changed if users could hold the lock or exchange the file", () => {
    put(".jailkit.lock", "");
    chmodSync(`${jail.path}/etc/.jailkit.lock`, 0o666);
    expect(codeOf(() => updateJailAccounts(jail.root, () => 0))).toBe("unsafe-jail");
    chmodSync(`${jail.path}/etc/.jailkit.lock`, 0o600);
    chownSync(`${jail.path}/etc`, USER, USER);
    const root = openJailRoot(jail.path);
    expect(codeOf(() => updateJailAccounts(root, () => 0))).toBe("unsafe-jail");
    closeJailRoot(root);
    expect(existsSync(`${jail.path}/etc/passwd`)).toBe(false);
  });
  test("four processes at once lose nothing", async () => {
    const program = `
      import { updateJailAccounts } from "${import.meta.dir}/../../src/jail/accounts/change-accounts.ts";
      import { openJailRoot } from "${import.meta.dir}/../../src/jail/fs/walk.ts";
      const root = openJailRoot(process.argv[1]);
      for (let i = 0; i < 10; i++) updateJailAccounts(root, (a) => a.addUser({ name: process.argv[2] + i, password: "x", uid: 1, gid: 1, gecos: "", home: "/", shell: "/" }));
    `;
    const names = ["a", "b", "c", "d"];
    const runs = names.map((name) => Bun.spawn([process.execPath, "-e", program, jail.path, name]).exited);
    expect(await Promise.all(runs)).toEqual(names.map(() => 0));
    expect(readJailAccounts(jail.root).users.length).toBe(40);
  });
});
