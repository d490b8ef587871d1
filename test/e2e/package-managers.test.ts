/** The examples for package managers that update jails with the machine: run by apt-get and dnf themselves. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { smallRpm } from "./packages-scene.ts";

setDefaultTimeout(300_000);

const jail = "/srv/jail";
const unsafe = "/srv/unsafe";
const program = "/usr/bin/of-the-host";
const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
const example = (name: string) => readFileSync(join(checkout, "docs/units", name), "latin1");

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_cp", "jk_update", "jailkit"] });
});
afterAll(() => m?.close());

/** Two jails with the first version of a program, one of which others can write, so that no update is made there. */
beforeEach(() => {
  m.must(["cp", "/usr/bin/echo", program]);
  for (const place of [jail, unsafe]) {
    m.remove(place);
    m.mkdir(place);
    m.must(["jk_cp", "-j", place, program]);
  }
  m.chmod(unsafe, 0o777);
});

function expectFollowed(): void {
  expect(m.readBytes(program)).toEqual(m.readBytes("/usr/bin/true"));
  expect(m.readBytes(jail + program)).toEqual(m.readBytes("/usr/bin/true"));
  expect(m.readBytes(unsafe + program)).toEqual(m.readBytes("/usr/bin/echo"));
}

describe("apt-get", () => {
  /** A package with the program, as a file of the machine. */
  function deb(content: string): string {
    const folder = "/root/of-the-host";
    m.remove(folder);
    m.mkdir(`${folder}/DEBIAN`);
    const fields = {
      Package: "of-the-host",
      Version: "2",
      Architecture: "all",
      Maintainer: "nobody <n@localhost>",
    };
    const lines = Object.entries({ ...fields, Description: "a program" }).map(
      (pair) => `${pair.join(": ")}\n`,
    );
    m.write(`${folder}/DEBIAN/control`, lines.join(""));
    m.mkdir(`${folder}/usr/bin`);
    m.must(["cp", content, folder + program]);
    m.must(["dpkg-deb", "--root-owner-group", "--build", folder, `${folder}.deb`]);
    return `${folder}.deb`;
  }
  const install = () => m.run(["apt-get", "install", "-y", deb("/usr/bin/true")], { env });

  test("without it, jails stay unchanged", () => {
    expect(install()).toMatchObject({ status: 0 });
    expect(m.readBytes(jail + program)).toEqual(m.readBytes("/usr/bin/echo"));
    m.must(["dpkg", "--purge", "of-the-host"]);
  });

  test("jails are updated after each installation, and a failure does not make apt-get fail", () => {
    m.write("/etc/apt/apt.conf.d/80jailkit", example("apt-80jailkit.conf"));
    const result = install();
    expect(result).toMatchObject({ status: 0 });
    expect(result.stderr).toContain(unsafe);
    expectFollowed();
    // The file may stay when jailkit goes.
    m.must(["mv", "/usr/sbin/jk_update", "/root/jk_update"]);
    expect(m.run(["apt-get", "purge", "-y", "of-the-host"], { env })).toMatchObject({ status: 0 });
    m.must(["mv", "/root/jk_update", "/usr/sbin/jk_update"]);
    m.remove("/etc/apt/apt.conf.d/80jailkit");
  });
});

describe("dnf", () => {
  const actions = example("dnf-jailkit.actions");

  test("version 4, with its plugin for actions after a transaction: jails are updated", () => {
    m.remove("/var/lib/rpm");
    const [, action = ""] = /^# {3}(\S.*)$/m.exec(actions) ?? [];
    const [, place = ""] = /into (\/etc\/dnf\/plugins\/\S+)/.exec(actions) ?? [];
    m.write(place, `${action}\n`);
    const words = ["dnf", "-y", "--disablerepo=*", "--setopt=cachedir=/root/dnf", "--nogpgcheck", "install"];
    const result = m.run([...words, smallRpm(m, "of-the-host", "/usr/bin/true", program)], {
      env: { ...env, HOME: "/root" },
      timeout: 200_000,
    });
    expect(result).toMatchObject({ status: 0 });
    expect(m.must(["rpm", "-q", "of-the-host"]).stdout).toBe("of-the-host-2-1.noarch\n");
    expectFollowed();
  });

  test("version 5, by the rules of its actions files: jails are updated", () => {
    // libdnf5-actions(8): callback_name:package_filter:direction:options:command; of lines with # at the start and of
    // empty ones nothing is read. Without a filter a command is run once, and words are separated by spaces.
    const lines = actions.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    expect(lines).toHaveLength(1);
    const [callback, filter, direction, options, ...command] = (lines[0] ?? "").split(":");
    expect([callback, filter, direction, options]).toEqual(["post_transaction", "", "", ""]);
    m.must(["cp", "/usr/bin/true", program]);
    // The unsafe jail is reported, and dnf continues whatever the status is.
    expect(m.run(command.join(":").split(" "), { env }).stderr).toContain(unsafe);
    expectFollowed();
  });
});
