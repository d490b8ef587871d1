/** Sockets that jk_init refuses: a section of which nothing is in the jail is not recorded, any other is, and is updated. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["useradd", "--system", "svc"]);
  const { uid, gid } = m.ids("svc");
  m.mkdir("/run/rootd");
  m.mkdir("/run/svc", { owner: [uid, gid] });
  m.mkdir("/run/other", { owner: [uid, gid] });
  m.write(
    "/etc/jailkit/jk_init.d/own.ini",
    `[rule]\nsockets = /home/x/s
[root]\nsockets = /run/rootd/s
[svc]\nsockets = /run/svc/s
[both]\nsockets = /run/svc/s, /run/other/s
[mixed]\nsockets = /run/rootd/s, /run/svc/s
[includes]\nincludesections = root, rule
[files]\npaths = /usr/bin/id, /usr/local/bin/later\nsockets = /run/rootd/s
[withfiles]\nincludesections = files, svc
`,
  );
});
afterAll(async () => m.close());
beforeEach(() => {
  m.run(["jailkit", "delete", "--yes", J]);
  m.remove("/usr/local/bin/later");
});

const init = (...sections: string[]) => m.run(["jk_init", "-j", J, ...sections]);
const listed = () => {
  const { jails } = reportOf(listReportSchema, m.run(["jailkit", "list", "--json", J]).stdout);
  return { state: jails[0]?.state, sections: jails[0]?.sections, sockets: jails[0]?.sockets };
};
/** Neither the record nor an update mentions what was refused. */
const isQuiet = () => {
  expect(m.run(["jk_update", "--check", "-j", J])).toMatchObject({ status: 0, stdout: "", stderr: "" });
  expect(m.run(["jk_update", "-j", J])).toMatchObject({ status: 0, stdout: "", stderr: "" });
  expect(m.run(["jk_check", J])).toMatchObject({ status: 0, stdout: "" });
};

test.each(["rule", "root", "includes"])(
  "[%s], of which the host's directory is refused, is not recorded",
  (name) => {
    expect(init(name, "uidbasics").status).toBe(1);
    expect(listed()).toEqual({ state: "ready", sections: ["uidbasics"], sockets: [] });
    isQuiet();
  },
);

test("nor is one for which the jail has files of its own in the place, and it is not recorded as mounted", () => {
  m.write(`${J}/run/svc/file`, "x");
  const { status, stderr } = init("svc", "uidbasics");
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("has files of its own") });
  expect(listed()).toEqual({ state: "ready", sections: ["uidbasics"], sockets: [] });
  expect(m.read("/etc/fstab")).not.toContain(J);
  isQuiet();
  m.remove(`${J}/run/svc/file`);
  expect(init("svc").status).toBe(0);
  expect(listed()).toEqual({ state: "ready", sections: ["uidbasics", "svc"], sockets: ["/run/svc"] });
});

test("one of which a socket is shown is recorded, with that one", () => {
  m.write(`${J}/run/svc/file`, "x");
  expect(init("both", "uidbasics").status).toBe(1);
  expect(listed()).toEqual({ state: "ready", sections: ["both", "uidbasics"], sockets: ["/run/other"] });
  m.must(["jailkit", "delete", "--yes", J]);
  expect(init("mixed", "uidbasics").status).toBe(1);
  expect(listed()).toEqual({ state: "ready", sections: ["mixed", "uidbasics"], sockets: ["/run/svc"] });
  isQuiet();
});

test.each(["files", "withfiles"])("[%s], which has files too, is recorded and updated", (name) => {
  expect(init(name).status).toBe(1);
  expect(listed()).toMatchObject({ state: "ready", sections: [name] });
  isQuiet();
  m.write("/usr/local/bin/later", "later", { mode: 0o755 });
  expect(m.run(["jk_update", "-j", J]).status).toBe(0);
  expect(m.read(`${J}/usr/local/bin/later`)).toBe("later");
  isQuiet();
});

test("a section that was recorded while its socket was allowed stays so", () => {
  expect(init("svc", "uidbasics").status).toBe(0);
  m.chown("/run/svc", 0, 0);
  expect(init("svc").status).toBe(1);
  expect(listed().sections).toEqual(["svc", "uidbasics"]);
  const { uid, gid } = m.ids("svc");
  m.chown("/run/svc", uid, gid);
});
