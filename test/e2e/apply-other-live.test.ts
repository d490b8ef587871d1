/** Another directory of the host becomes live in place of one that is in it, or that it is in. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

test("a directory becomes live in place of one in it, and the other way round: no empty mount point is in the way", async () => {
  const m = await openApplyMachine();
  const declare = (live: string) =>
    m.write("/etc/jailkit/jails.d/x.ini", `[jail /srv/x]\nsections = basicshell\nlive = ${live}\n`);
  const mounts = () =>
    m
      .must(["findmnt", "-rno", "TARGET"])
      .stdout.split("\n")
      .filter((one) => one.startsWith("/srv/x/opt"));
  try {
    m.mkdir("/opt/b");
    m.write("/opt/b/file", "");
    declare("/opt/b");
    m.must(["jailkit", "apply"]);
    expect(mounts()).toEqual(["/srv/x/opt/b"]);
    declare("/opt");
    for (const options of [["--check"], []]) {
      const { summary, status } = linesOf(m, ...options);
      expect(status).toBe(1);
      expect(summary.problems).toMatchObject([
        {
          code: "live-obstacle",
          message:
            "jail /srv/x: /srv/x/opt: '/opt/b', which is live, is in it, and goes first: with a declaration without it, and jailkit apply --prune",
        },
      ]);
    }
    m.must(["jailkit", "apply", "--prune"]);
    expect(mounts()).toEqual(["/srv/x/opt"]);
    expect(m.read("/srv/x/opt/b/file")).toBe("");
    expect(did(m, "--prune")).toEqual([]);
    declare("/opt/b");
    m.must(["jailkit", "apply", "--prune"]);
    expect(mounts()).toEqual(["/srv/x/opt/b"]);
    expect(did(m, "--prune")).toEqual([]);
    declare("/opt");
    // A run that was killed has taken the mount out, and left the rest.
    m.must(["umount", "/srv/x/opt/b"]);
    m.must(["jailkit", "apply", "--prune"]);
    expect(mounts()).toEqual(["/srv/x/opt"]);
  } finally {
    await m.close();
  }
});

test("a directory of the jail's own stays where a live one was in it, and is told", async () => {
  const m = await openApplyMachine();
  const declare = (live: string) =>
    m.write("/etc/jailkit/jails.d/x.ini", `[jail /srv/x]\nsections = basicshell\nlive = ${live}\n`);
  try {
    m.mkdir("/opt/b");
    declare("/opt/b");
    m.must(["jailkit", "apply"]);
    m.write("/srv/x/opt/own", "own");
    declare("/opt");
    const { summary } = linesOf(m, "--prune");
    expect(summary.problems).toMatchObject([
      { code: "live-obstacle", message: expect.stringContaining("/srv/x/opt: has files of its own") },
    ]);
    expect(m.read("/srv/x/opt/own")).toBe("own");
  } finally {
    await m.close();
  }
});
