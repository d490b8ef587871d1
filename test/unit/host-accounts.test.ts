import { describe, expect, test } from "bun:test";
import { passwdEntry } from "../../src/system/flat-accounts.ts";
import { filesAnswer, indexOf } from "../../src/system/host-accounts.ts";

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
