import { describe, expect, test } from "bun:test";
import { passwdEntry } from "../../src/system/flat-accounts.ts";
import { fileHasAllMembers, filesAnswer, indexOf, membershipsIn } from "../../src/system/host-accounts.ts";
import { shadowEntry } from "../../src/system/shadow.ts";

const indexed = (text: string) => indexOf(text, passwdEntry, ({ uid }) => uid);
const LINE = "a:x:1000:1000::/home/a:/bin/sh";

describe("filesAnswer", () => {
  test.each([
    ["passwd: files", true],
    ["passwd:files systemd", true],
    ["# passwd: sss\n passwd:\tfiles sss # local first", true],
    ["passwd: files [NOTFOUND=return] sss", true],
    ["passwd: files [SUCCESS=continue] sss", false],
    ["passwd: files [!success=return] sss", false],
    ["passwd: sss files", false],
    ["passwd: compat", false],
    ["passwd: filesystem", false],
    ["passwd: files\npasswd: sss", false],
    ["group: files", false],
    ["", false],
  ])("%j: %p", (text, answer) => expect(filesAnswer(text, "passwd")).toBe(answer));
});

describe("indexOf", () => {
  test("has the first entry of a name and of an id", () => {
    const { byName, byId } = indexed(`# local\n${LINE}\n\nb:x:1000:1::/b:/bin/sh\na:x:7:7::/:/bin/sh\n`);
    expect([byName.get("a")?.uid, byName.get("b")?.home, byId.get(1000)?.name]).toEqual([1000, "/b", "a"]);
    expect([byId.get(7)?.name, byName.get("c")]).toEqual(["a", undefined]);
  });

  // glibc may read each as an entry, or ask another service.
  test.each([
    "+",
    "+@staff",
    "-b",
    "b:x:01:1::/:/bin/sh",
    "b:x:1:1::/",
    " b:x:1:1::/:/bin/sh",
    "b:x:-1:1::/:/",
  ])("is empty if there is the line %j", (line) => {
    const { byName, byId } = indexed(`${LINE}\n${line}\n`);
    expect([byName.size, byId.size]).toEqual([0, 0]);
  });
});

describe("membershipsIn", () => {
  test("has the gids of each member, once, in the order of the file", () => {
    const all = membershipsIn("a:x:3:u,v,u\n# c:x:9:u\nb:x:1:u\nc:x:3:u\n\nd:x:4:\n");
    expect([all?.get("u"), all?.get("v"), all?.get("w")]).toEqual([[3, 1], [3], undefined]);
  });

  test.each(["+", "+staff", "b:x:01:u", "b:x:1:u:v", " b:x:1:u"])(
    "is unknown if there is the line %j",
    (line) => {
      expect(membershipsIn(`a:x:3:u\n${line}\n`)).toBeUndefined();
    },
  );

  test("is unknown for a file without groups, which could not be read", () => {
    expect(membershipsIn("")).toBeUndefined();
  });
});

describe("fileHasAllMembers", () => {
  test.each([
    ["group: files", true],
    ["passwd: files sss\ngroup:\tfiles # only", true],
    ["group: files systemd", false],
    ["group: files [SUCCESS=merge] sss", false],
    ["group: files [SUCCESS=continue]", false],
    ["group: sss files", false],
    ["group: compat", false],
    ["group: files\ninitgroups: files", false],
    ["group: files\ngroup: sss", false],
    ["", false],
  ])("%j: %p", (text, answer) => expect(fileHasAllMembers(text)).toBe(answer));
});

describe("shadowEntry", () => {
  test("has what getspnam(3) returns", () => {
    const none = { lastChange: -1, maximum: -1, inactive: -1, expire: -1 };
    expect(shadowEntry("u:*:::::::")).toEqual({ name: "u", password: "*", ...none });
    expect(shadowEntry("u:$y$x:20000:0:99999:7:30:20500:")).toEqual({
      ...{ name: "u", password: "$y$x" },
      ...{ lastChange: 20000, maximum: 99999, inactive: 30, expire: 20500 },
    });
  });

  test.each([
    "+",
    "+u:*:::::::",
    "-u:*:::::::",
    ":*:::::::",
    "u:*:::::",
    "u:*::::::::",
    "u:*:-1::::::",
    "u:*:0x1::::::",
  ])("is unknown for the line %j", (line) => expect(shadowEntry(line)).toBeUndefined());
});
