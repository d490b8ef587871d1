/** A live jail whose record is damaged: a new record is like the old one, whether or not the jail is mounted. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { adoptionReportSchema } from "../../src/jails/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { openManifestFile } from "./manifest-file.ts";

setDefaultTimeout(120_000);

const JAIL = "/srv/live";
let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jk_update", "jk_check", "jailkit"] });
  m.write("/etc/fstab", "");
  for (const name of ["a", "b"]) m.write(`/opt/tool/${name}`, "data");
  m.must(["jk_init", "--live", "-j", JAIL, "basicshell", "sftp"]);
  m.must(["jk_cp", "-j", JAIL, "/opt/tool"]);
});
afterAll(async () => m.close());

/** The paths that a record has outside of the host's /usr; those in it say nothing about the jail. */
const own = ({ entries }: ReturnType<typeof openManifestFile>) =>
  entries.flatMap(({ path }) => (path.startsWith("/usr/") ? [] : [path])).sort();

describe.each(["mounted", "unmounted"])("%s", (state) => {
  test("the new record has the sections whose files the jail has of its own", () => {
    const before = openManifestFile(m, JAIL);
    const file = m.must(["grep", "-rl", JAIL, "/var/lib/jailkit/jails"]).stdout.trim();
    if (state === "unmounted") m.must(["jailkit", "unmount", JAIL]);
    m.write(file, "{");
    const { stdout } = m.must(["jailkit", "adopt", "--force", "--json", JAIL]);
    const { sections, files, unexplained } = reportOf(adoptionReportSchema, stdout);
    expect(sections).toEqual(["livebasics", "basicshell"].map((name) => ({ name, lacking: [] })));
    expect(files.map(({ path }) => path)).toEqual(["/opt/tool"]);
    expect(unexplained).toEqual([]);
    if (state === "unmounted") m.must(["jailkit", "mount", JAIL]);
    expect(own(openManifestFile(m, JAIL))).toEqual(own(before));
  });

  test("nothing is left to do afterwards", () => {
    expect(m.run(["jailkit", "list", JAIL]).stdout).toContain(" ready ");
    expect(m.run(["jk_update", "-j", JAIL])).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(m.run(["jk_check", JAIL])).toMatchObject({ status: 0, stdout: "" });
  });
});
