import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import { type Stat, statAt } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { display } from "../../cli/display.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { requireJailToFill } from "../../jail/fs/host-directories.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { temporaryName } from "../../jail/fs/place.ts";
import { isRegular, type JailRoot } from "../../jail/fs/walk.ts";
import { makeDirectoryIn, putFile, removeTree, setAttributes } from "../../jail/fs/write.ts";
import type { ManifestContent } from "../../jail/record/manifest.ts";
import { passwdByName } from "../../system/accounts.ts";
import { findProgram } from "../../system/run.ts";
import { livesIn } from "../accounts.ts";
import { recordedSections } from "../record.ts";
import type { CheckFinding, CheckProblem } from "../rules.ts";
import { type Account, runStep } from "./step.ts";
import { SMOKE_TESTS, type SmokeTest } from "./table.ts";

export interface SmokeResult {
  readonly sections: readonly ByteString[];
  readonly shows: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** The reason if it failed or was skipped; printable. */
  readonly reason?: string;
}

/** Runs the tests of the jail's sections as an ordinary user. Throws nothing. */
export async function runSmokeTests(
  root: JailRoot,
  content: ManifestContent | undefined,
  verbose: (line: ByteString) => void,
): Promise<{ results: SmokeResult[]; findings: CheckFinding[]; problems: CheckProblem[] }> {
  const none = { results: [], findings: [] };
  const launcher = findProgram("chroot");
  try {
    if (libc.geteuid() !== 0) throw new JailkitError("not-root", 2, "tests in a jail must be run as root");
    if (launcher === undefined)
      throw new JailkitError("no-chroot", 2, "the program chroot is missing: install coreutils");
    requireJailToFill(root, 2);
    // Bun passes arguments as UTF-8.
    if (
      Buffer.from(Buffer.from(root.path, "latin1").toString("utf8"), "utf8").toString("latin1") !== root.path
    )
      throw new JailkitError("not-utf8", 2, "the path of the jail is not valid UTF-8");
  } catch (error) {
    const message = `no test was run in ${display(root.path)}: ${describeError(error)}`;
    return { ...none, problems: [{ code: "not-run", path: root.path, message }] };
  }
  const account = testAccount(root);
  const results: SmokeResult[] = [];
  const sections = content === undefined ? undefined : new Set(recordedSections(content));
  for (const test of SMOKE_TESTS) {
    const concerns = sections === undefined || test.sections.some((section) => sections.has(section));
    if (!concerns) continue;
    const result = await runTest(root, test, account, launcher ?? "");
    if (result === undefined) continue;
    verbose(`${result.outcome}: ${test.shows}${result.reason === undefined ? "" : ` (${result.reason})`}`);
    results.push(result);
  }
  const findings = results
    .filter(({ outcome }) => outcome === "failed")
    .map(({ shows, reason = "" }): CheckFinding => {
      const message = `the test that ${shows} failed in ${display(root.path)}: ${reason}`;
      const remedy = `jk_check --fix ${shellWord(root.path)}`;
      return { rule: "smoke-test", path: root.path, message, remedy };
    });
  return { results, findings, problems: [] };
}

/** An account that lives in the jail, else another ordinary one of its passwd, else nobody. */
function testAccount(root: JailRoot): Account {
  const ordinary = readJailAccounts(root).users.filter(({ uid, gid }) => uid !== 0 && gid !== 0);
  const jailed = ordinary.find(({ name, uid }) => {
    const real = passwdByName(name);
    return real?.uid === uid && livesIn(root.path, real.home);
  });
  const entry = jailed ?? ordinary[0];
  if (entry !== undefined) return { ...entry, inJail: true };
  return { name: "nobody", uid: 65534, gid: 65534, inJail: false };
}

/** Runs a test; undefined if the jail has none of its programs. */
async function runTest(
  root: JailRoot,
  test: SmokeTest,
  account: Account,
  launcher: ByteString,
): Promise<SmokeResult | undefined> {
  const { sections, shows } = test;
  const program = test.programs.find((path) => {
    const stat = lookUp(root, path, { follow: true })?.stat;
    return stat !== undefined && isRegular(stat) && (stat.mode & 0o111) !== 0;
  });
  if (program === undefined) return undefined;
  if (test.needsAccount && !account.inJail)
    return { sections, shows, outcome: "skipped", reason: "the jail's passwd has no ordinary account" };
  const directory = `/${temporaryName().replace(/^\.jk-/, ".jk-check-")}`;
  const failed = (reason: string): SmokeResult => ({ sections, shows, outcome: "failed", reason });
  let made: Stat | undefined;
  try {
    made = createDirectory(root, directory);
    prepare(root, directory, account);
    for (const step of test.steps) {
      const reason = await runStep(root, launcher, program, step, directory, account);
      if (reason !== undefined) return failed(reason);
    }
    if (test.leaves !== undefined && lookUp(root, `${directory}/${test.leaves}`) === undefined)
      return failed(`${display(program)} exited with 0, but did not create ${display(test.leaves)}`);
    return { sections, shows, outcome: "passed" };
  } catch (error) {
    return failed(describeError(error));
  } finally {
    if (made !== undefined) removeTree(root, directory, made);
  }
}

function createDirectory(root: JailRoot, directory: ByteString): Stat {
  const name = directory.slice(1);
  if (makeDirectoryIn(root, root.top, name, { mode: 0o700, uid: 0, gid: 0 }) === "created")
    return statAt(root.fd, name);
  throw new JailkitError("in-the-way", 1, `${display(root.path + directory)}: already exists`);
}

function prepare(root: JailRoot, directory: ByteString, { uid, gid }: Account): void {
  // While the directory still belongs to root.
  putFile(root, `${directory}/seed`, toBytes("hello\n"), { mode: 0o644, uid, gid });
  setAttributes(root, directory, { uid, gid, mode: 0o700 });
}
