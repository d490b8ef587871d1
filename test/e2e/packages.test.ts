/** The contents of the packages, and the findings of the distributions' own checkers. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { MAKE_ACCOUNT } from "../../src/log-socket/monitor/account.ts";
import { MAKE_JAILED_GROUP } from "../../src/system/account-tools.ts";
import { checkout } from "../machine/helper.ts";
import { buildPackages, type Packages, packages, statedSizes } from "./packages-scene.ts";

setDefaultTimeout(300_000);

const MB = 1_000_000;
let made: Packages;
let folder: string;

beforeAll(() => {
  made = packages();
  folder = fs.mkdtempSync(join(tmpdir(), "jailkit-packages-"));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Runs a program of this machine and returns all that it says. */
function run(words: string[], env: Record<string, string> = {}): { status: number; text: string } {
  const result = Bun.spawnSync(words, {
    env: { PATH: process.env.PATH ?? "", LC_ALL: "C", ...env },
    stdin: "ignore",
  });
  return { status: result.exitCode, text: `${result.stdout}${result.stderr}` };
}
const must = (words: string[]) => {
  const { status, text } = run(words);
  if (status !== 0) throw new Error(`${words.join(" ")}: status ${status}: ${text}`);
  return text;
};
const field = (deb: string, name: string) => must(["dpkg-deb", "-f", deb, name]).trim();

test("two builds of the same programs are the same to the byte", () => {
  buildPackages(made.dist, folder);
  const once = dirname(made.sums);
  expect(fs.readdirSync(folder).sort()).toEqual(fs.readdirSync(once).sort());
  // With the digests of all the others.
  expect(fs.readFileSync(join(folder, "SHA256SUMS"), "utf8")).toBe(fs.readFileSync(made.sums, "utf8"));
  expect(must(["sh", "-c", `cd ${folder} && sha256sum --check --quiet SHA256SUMS`])).toBe("");
});

test("the changes of this version are listed", () => {
  const [newest] = /^## .*$/m.exec(fs.readFileSync(join(checkout, "CHANGELOG.md"), "utf8")) ?? [];
  expect(newest).toBe(`## ${packageJson.version}`);
});

const text = (name: string) => fs.readFileSync(join(checkout, name), "utf8");

test("the descriptions of packages name this version, and make the same account and group", () => {
  const { version } = packageJson;
  expect(text("debian/changelog")).toStartWith(`jailkit (${version}-1) `);
  expect(text("debian/jailkit.NEWS")).toStartWith("jailkit (3.0.0-1) ");
  expect(text("packaging/jailkit.spec")).toContain(`\nVersion: ${version}\n`);
  for (const name of ["debian/jailkit.postinst", "packaging/jailkit.spec", "packaging/install.sh"])
    for (const [what, make] of [
      ["relay_account", MAKE_ACCOUNT],
      ["jailed_group", MAKE_JAILED_GROUP],
    ] as const)
      expect(text(name)).toContain(`${what} || ${make.join(" ")} ||\n`);
});

describe("deb", () => {
  test("sizes are within the budget", () => {
    const installed = Number(field(made.deb, "Installed-Size")) * 1024;
    expect(installed).toBeLessThan(120 * MB);
    expect(Math.abs(installed - statedSizes("jailkit, deb").installed)).toBeLessThan(MB);
    expect(fs.statSync(made.procmailDeb).size).toBeLessThan(50_000);
    expect(Number(field(made.procmailDeb, "Installed-Size"))).toBeLessThan(50);
  });

  test("sorts above 2.23 and uses Debian's names", () => {
    const version = field(made.deb, "Version");
    expect(run(["dpkg", "--compare-versions", version, "gt", "2.23-2+b1"]).status).toBe(0);
    const architecture = must(["dpkg", "--print-architecture"]).trim();
    expect(basename(made.deb)).toBe(`jailkit_${version}_${architecture}.deb`);
    expect(field(made.deb, "Architecture")).toBe(architecture);
    expect(field(made.procmailDeb, "Depends")).toBe(`jailkit (= ${version}), procmail`);
  });

  test("needs no newer C library than it says", () => {
    const [, said = ""] = /libc6 \(>= ([\d.]+)\)/.exec(field(made.deb, "Depends")) ?? [];
    const needed = must(["readelf", "-VW", join(made.dist, "bin/jailkit")]).matchAll(/GLIBC_(\d[\d.]*)/g);
    const newest =
      [...needed]
        .map(([, version = ""]) => version)
        .sort(Bun.semver.order)
        .at(-1) ?? "";
    expect(run(["dpkg", "--compare-versions", newest, "le", said]).status).toBe(0);
  });

  test("every file is root's, only the entries are setuid, and the executable is as it was built", () => {
    const list = must(["dpkg-deb", "-c", made.deb]).trim().split("\n");
    expect(list.filter((line) => !/^[dh-]\S+ root\/root /.test(line))).toEqual([]);
    const setuid = list.flatMap((line) => /^-rws.* \.(\S+)$/.exec(line)?.[1] ?? []);
    expect(setuid.sort()).toEqual(["/usr/bin/jk_uchroot", "/usr/sbin/jk_chrootsh"]);
    must(["dpkg-deb", "-x", made.deb, join(folder, "x")]);
    const executable = fs.readFileSync(join(folder, "x/usr/sbin/jailkit"));
    expect(executable.equals(fs.readFileSync(join(made.dist, "bin/jailkit")))).toBe(true);
  });

  test("lintian finds nothing in the small one that is not explained", () => {
    expect(run(["lintian", "--allow-root", "--tag-display-limit", "0", made.procmailDeb])).toEqual({
      status: 0,
      text: "",
    });
  });

  test("each override of lintian is explained", () => {
    for (const name of ["jailkit", "jailkit-procmail"]) {
      const deb = name === "jailkit" ? made.deb : made.procmailDeb;
      must(["dpkg-deb", "-x", deb, join(folder, "o")]);
      const lines = fs
        .readFileSync(join(folder, "o/usr/share/lintian/overrides", name), "utf8")
        .trim()
        .split("\n");
      expect(lines.length).toBeGreaterThan(1);
      // A reason, and one or more that it is for.
      expect(lines.join("\n")).toMatch(
        new RegExp(`^(?:(?:# \\w.{20,}\n)+(?:${name}: [a-z-]+ .*(?:\n|$))+)+$`),
      );
    }
  });

  test("the maintainer scripts are valid sh", () => {
    must(["dpkg-deb", "-e", made.deb, join(folder, "control")]);
    for (const name of ["preinst", "postinst", "prerm", "postrm"])
      expect(run(["dash", "-n", join(folder, "control", name)])).toEqual({ status: 0, text: "" });
  });
});

describe("rpm", () => {
  const query = (rpm: string, format: string) => must(["rpm", "-qp", "--qf", format, rpm]);

  test("the entries come with the capability, without a setuid bit", () => {
    const all = [made.rpm, made.procmailRpm].map((rpm) =>
      query(rpm, "[%{FILECAPS} %{FILEMODES:octal} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\n]"),
    );
    const lines = all.join("").trim().split("\n");
    expect(lines.filter((line) => line.startsWith("cap")).sort()).toEqual([
      "cap_sys_chroot=ep 100755 root:root /usr/bin/jk_uchroot",
      "cap_sys_chroot=ep 100755 root:root /usr/sbin/jk_chrootsh",
      "cap_sys_chroot=ep 100755 root:root /usr/sbin/jk_procmailwrapper",
    ]);
    expect(lines.filter((line) => !/(?:^| )(?:10(?:0644|0711|0755)|40755) root:root \//.test(line))).toEqual(
      [],
    );
  });

  test("the same files as in the deb, except Debian's own", () => {
    const deb = must(["sh", "-c", `dpkg-deb --fsys-tarfile ${made.deb} | tar -t`])
      .split("\n")
      .filter((path) => path !== "" && !path.endsWith("/"))
      .map((path) =>
        path
          .slice(1)
          .replace("/zsh/vendor-completions/", "/zsh/site-functions/")
          .replace("/changelog.gz", "/CHANGELOG.md"),
      )
      .filter(
        (path) => !/\/(?:copyright|(?:changelog|NEWS)\.Debian\.gz)$|^\/usr\/share\/lintian\//.test(path),
      );
    const rpm = query(made.rpm, "[%{FILEMODES:octal} %{FILENAMES}\n]").trim().split("\n");
    const files = rpm.flatMap((line) => /^10\d+ (.*)$/.exec(line)?.[1] ?? []);
    expect(files.sort()).toEqual(deb.sort());
  });

  test("the ini files are configuration that is not replaced", () => {
    const files = must(["rpm", "-qpc", made.rpm]).trim().split("\n");
    const defaults = fs.readdirSync(join(checkout, "config")).filter((name) => name.endsWith(".ini"));
    expect(files.sort()).toEqual(defaults.map((name) => `/etc/jailkit/${name}`).sort());
  });

  test.each(["rpm", "procmailRpm"] as const)("rpmlint finds nothing in %s that is not explained", (which) => {
    const config = join(checkout, "packaging/rpmlint.toml");
    const { text } = run(["rpmlint", "-c", config, made[which]], { HOME: folder });
    expect(text.split("\n").filter((line) => /: [EW]: /.test(line))).toEqual([]);
    expect(text).toContain("0 errors, 0 warnings");
  });
});

describe("bill of materials", () => {
  const bom = () => JSON.parse(fs.readFileSync(made.sbom, "utf8"));

  test("has the shape of CycloneDX 1.6", () => {
    const { metadata, ...rest } = bom();
    expect(Object.keys(bom()).sort()).toEqual(
      [
        "$schema",
        "bomFormat",
        "components",
        "dependencies",
        "metadata",
        "serialNumber",
        "specVersion",
        "version",
      ].sort(),
    );
    expect(rest).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6", version: 1 });
    expect(rest.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/);
    expect(new Date(metadata.timestamp).toISOString()).toStartWith("2025-06-15T15:06:40");
    for (const component of [metadata.component, ...rest.components]) {
      expect(["application", "framework", "library", "file"]).toContain(component.type);
      expect(component["bom-ref"]).toBeString();
      expect(component.name).toBeString();
      for (const { license } of component.licenses ?? []) expect(license.id).toMatch(/^[\w.-]+$/);
    }
    const refs = [metadata.component, ...rest.components].map((component) => component["bom-ref"]);
    expect(new Set(refs).size).toBe(refs.length);
    expect(rest.dependencies.map(({ ref }: { ref: string }) => ref).sort()).toEqual(refs.sort());
    for (const { dependsOn = [] } of rest.dependencies)
      for (const ref of dependsOn) expect(refs).toContain(ref);
  });

  test("has the digests of what is in the packages", () => {
    const components: { name: string; hashes?: { content: string }[] }[] = bom().components;
    for (const [name, file] of [
      ["jailkit", "bin/jailkit"],
      ["jk_chrootsh", "entry/jk_chrootsh"],
    ] as const) {
      const digest = new Bun.CryptoHasher("sha256")
        .update(fs.readFileSync(join(made.dist, file)))
        .digest("hex");
      expect(components.find((one) => one.name === name)?.hashes).toMatchObject([{ content: digest }]);
    }
  });

  test("names what is compiled in, with the versions of the lock file", () => {
    const lock = JSON.parse(fs.readFileSync(join(checkout, "package-lock.json"), "utf8"));
    const components: { name: string; version: string; purl: string }[] = bom().components;
    const named = Object.fromEntries(components.map(({ name, version }) => [name, version]));
    for (const name of ["bun", ...Object.keys(packageJson.dependencies)]) {
      expect(named[name]).toBe(lock.packages[`node_modules/${name}`].version);
      expect(components.find((one) => one.name === name)?.purl).toBe(`pkg:npm/${name}@${named[name]}`);
    }
  });
});
