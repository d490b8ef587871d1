// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the text of the code
/** What `jailkit apply` removes is what it made, and a user is limited before the account is there. */

import type { Mutant } from "./mutant.ts";

type Change = readonly [from: string, to: string];

const AT_WORK = "e2e/at-work.test.ts";
const within = (file: string, test: string, changes: readonly Change[]): Mutant[] =>
  changes.map(([from, to]) => ({ file, from, to, test }));

/** Of one test of ONE_RUN. */
const titled = (title: string, file: string, changes: readonly Change[]): Mutant[] =>
  within(file, ONE_RUN, changes).map((one) => ({ ...one, title }));

/** Of one test of AT_WORK. */
const atWork = (title: string, file: string, changes: readonly Change[]): Mutant[] =>
  within(file, AT_WORK, changes).map((one) => ({ ...one, title }));

/** Of tests of BEGUN. */
const begun = (title: string, file: string, changes: readonly Change[]): Mutant[] =>
  within(file, BEGUN, changes).map((one) => ({ ...one, title }));

const RENAMED = "e2e/apply-renamed-others.test.ts";
const RENAMED_ELSEWHERE = "e2e/apply-renamed-elsewhere.test.ts";
const RENAMED_LEAVES = "e2e/apply-renamed-leaves.test.ts";
const INTO_DIRECTORY = "e2e/apply-into-directory.test.ts";
const RENAMED_LIMITS = "e2e/apply-renamed-limits.test.ts";
const MAY_BE = "e2e/apply-may-be.test.ts";
const DOUBTS = "e2e/older-files-doubts.test.ts";
const OLDER_NAMES = "e2e/apply-older-names.test.ts";
const MOVED_AND_RENAMED = "e2e/apply-moved-and-renamed.test.ts";
const WAITS = "e2e/directory-waits.test.ts";
const LEAVES_THERE = "e2e/apply-renamed-directory-leaves.test.ts";
const RENAMED_THERE = "e2e/apply-renamed-directory.test.ts";
const PRUNE = "e2e/apply-prune.test.ts";
const TERMINATE = "attack/terminate-user.test.ts";
const ELSEWHERE = "e2e/home-elsewhere.test.ts";
const DUE = "e2e/due-logins.test.ts";
const HIDDEN = "e2e/hidden-processes.test.ts";
const OTHER_THINGS = "e2e/apply-other-things.test.ts";
const MOVES = "e2e/apply-moves.test.ts";
const SILENT = "e2e/interrupted-services.test.ts";
const LEFT = "e2e/apply-left-uids.test.ts";
const EDITED = "e2e/edited-uids.test.ts";
const LOST_HOMES = "e2e/apply-lost-homes.test.ts";
const JAIL_UIDS = "e2e/apply-jail-uids.test.ts";
const KEPT = "e2e/apply-kept-homes.test.ts";
const NAMES = "e2e/odd-directory.test.ts";
const OF_OTHERS = "e2e/apply-uids-of-others.test.ts";
const OF_LIVING = "e2e/apply-uids-of-living.test.ts";
const OTHER_UIDS = "e2e/apply-other-uids.test.ts";
const BEGUN = "e2e/apply-begun-accounts.test.ts";
const STAYS = "e2e/apply-stays.test.ts";
const LEAVES = "e2e/apply-leaves.test.ts";
const SET_IDS = "e2e/leaving-set-ids.test.ts";
const SET_GIDS = "e2e/leaving-set-gids.test.ts";
const UNREAD_KEYS = "e2e/apply-unread-keys.test.ts";
const NESTED = "e2e/apply-nested-homes.test.ts";
const OFF = "e2e/apply-off.test.ts";
const ONE_RUN = "e2e/apply-one-run.test.ts";
const LOST_FILES = "e2e/apply-lost-files.test.ts";
const LOST_SECTIONS = "e2e/apply-lost-sections.test.ts";
const IN_PLACE = "e2e/adopt-in-place.test.ts";
const EXCHANGED_JAILS = "e2e/exchanged-jails.test.ts";
const MOVED_BACK = "e2e/apply-moved-back.test.ts";
const LOST_SHELL = "e2e/apply-lost-shell.test.ts";
const PRUNE_RIGHTS = "e2e/apply-prune-rights.test.ts";
const FORESEES = "e2e/apply-foresees.test.ts";
const FAILS = "e2e/apply-fails.test.ts";
const COMPARE = "unit/declaration-compare.test.ts";

const GONE_JAIL = "e2e/apply-directory-gone.test.ts";

export const APPLY: readonly Mutant[] = [
  ...within("src/declaration/plan.ts", PRUNE, [["if (!prune || files.some", "if (true || files.some"]]),
  ...within("src/tools/jailkit-apply.ts", PRUNE, [['      needs: "prune",\n', ""]]),
  ...atWork("another command creates", "src/declaration/plan.ts", [
    ["if (looks.again([...others, ...jails])) continue;", ""],
  ]),
  ...atWork("apply --check says", "src/declaration/compare/busy.ts", [
    ["|| isBusy(fault)) return fault", "|| true) return fault"],
  ]),
  ...atWork("apply --check says", "src/declaration/report.ts", [["this.#isBusy ? BUSY", "false ? BUSY"]]),
  ...atWork("takes users", "src/status/accounts.ts", [
    ["hasFaults(one) && workerOf(one.jail) === undefined", "hasFaults(one)"],
  ]),
  ...atWork("is busy while", "src/jail/record/at-work.ts", [
    ["return isHeld ? holderText(holder) : undefined", "return holderText(holder)"],
  ]),
  ...within("src/declaration/plan.ts", LEAVES, [["if (jails.length + users.length > 0) {", "{ return;"]]),
  ...within("src/declaration/once.ts", PRUNE, [
    ["files.includes(file) || (usual &&", "files.includes(file) || (true &&"],
  ]),
  ...within("src/declaration/compare/fate.ts", "unit/declaration-fate.test.ts", [
    ["created === user.uid", "created !== undefined"],
  ]),
  ...within("src/declaration/compare/fate.ts", PRUNE, [
    ["deleteHomes && isOurs", "isOurs"],
    ["if (before?.shell === undefined && recordedAs === undefined)", "if (false)"],
  ]),
  ...within("src/declaration/compare/fate.ts", LEAVES, [["goes && holds === undefined", "goes"]]),
  ...within("src/declaration/compare/fate.ts", NESTED, [
    ["find(isOther) ?? otherHomeIn(user, place, gone) ??", "find(isOther) ??"],
  ]),
  ...within("src/declaration/compare/leftovers.ts", RENAMED_LEAVES, [
    ["declared.get(heir.name) === jail &&", ""],
    ["if (isNamed && !(isRight || settings)) return undefined;", ""],
  ]),
  ...within("src/declaration/compare/leftovers.ts", "e2e/apply-renamed.test.ts", [
    ["lines: isOwn && !isNamed", "lines: isOwn"],
  ]),
  ...within("src/declaration/compare/leftovers.ts", "e2e/apply-renamed-two-jails.test.ts", [
    [", ...others] : others", "] : []"],
    [" && uidOf(known.get(one.name)) !== one.uid", ""],
  ]),
  ...within("src/declaration/compare/work.ts", "e2e/apply-waits.test.ts", [
    ["fault.cause?.jail === jail", "false"],
    ["changes.length > 0", "false"],
  ]),
  ...within("src/declaration/report.ts", "e2e/apply-waits.test.ts", [
    ['if (of === "jail" && !isNew) return;', ""],
    ["if (!this.#waiting.has(about))", ""],
  ]),
  ...within("src/declaration/other-things.ts", PRUNE, [
    ["if (other === undefined) return;", "return;"],
    ["OF_JAILS.includes(name) ||", ""],
    [" || tops.has(name)", ""],
  ]),
  ...within("src/declaration/other-things.ts", OTHER_THINGS, [
    ["if (found !== undefined) return found.slice(1);", ""],
    [" || this.homes.includes(path)", ""],
    ["if (depth > DEEPEST) return path;", ""],
    ["this.known.has(path) || ", ""],
  ]),
  ...within("src/declaration/other-things.ts", MOVES, [[" && !isEmpty(root, name)", ""]]),
  ...within("src/declaration/carry-out/user.ts", "e2e/apply-hostile.test.ts", [
    ["mayFail: !isCreated, ", ""],
    ["isUsable ? { always: true } : ", ""],
  ]),
  ...within("src/declaration/carry-out/user.ts", FAILS, [
    ["limit: { alone: ways.rules },", ""],
    [", alone: ways.options", ""],
    ["inside: { alone: ways.shell },", ""],
    [": ways.loginShell;", ": () => undefined;"],
    ["? ways.newKeys :", "? () => undefined :"],
    ['what === "groups" ? join :', 'what === "groups" ? () => undefined :'],
    ["comment: { always: true },", ""],
    ["removeKeys: { always: true },", ""],
    [": { alone: leaveOnHost(name) }", ": {}"],
  ]),
  ...within("src/declaration/carry-out/carry-out.ts", FAILS, [
    ["path, shown, waits);", "path, shown);"],
    ["memory, shown, why);", "memory, shown, undefined);"],
    ["answered(() => openNamedJail(jail))", "undefined"],
    ["if (waits !== undefined && taking(changes).length === 0)", "if (waits !== undefined)"],
  ]),
  ...within("src/declaration/carry-out/jail.ts", FAILS, [
    ["endLog: ALWAYS, ", ""],
    [", unmountProc: ALWAYS", ""],
  ]),
  ...within("src/declaration/carry-out/steps.ts", FAILS, [
    ["let failed = waits;", "let failed: string | undefined;"],
    ["(failed !== undefined && !always)", "failed !== undefined"],
    ['return change.takes === "all" ? ', "return true ? "],
  ]),
  ...within("src/declaration/compare/compare.ts", FAILS, [
    ["changes = possible(taking(changes), error);", "changes = [];"],
    ["using damaged = root === undefined ?", "using damaged = false ?"],
  ]),
  ...within("src/declaration/compare/takes.ts", FAILS, [
    ["changes: inSpite(compared.changes), fault", "changes: [], fault"],
    ["isLimitedShell(shell) || isClosed(shell)", "true"],
    ["|| OTHERS.includes(fault.code)", ""],
    ["wasLimited && !isLimitedShell(declared.shell) ? undefined : ", ""],
  ]),
  ...within("src/declaration/compare/user.ts", FAILS, [
    ['isClosed(account.shell) ? undefined : "all"', '"all"'],
  ]),
  ...within("src/declaration/compare/look-user.ts", FAILS, [
    ["replacesKeys: replaces", "replacesKeys: undefined"],
  ]),
  ...within("src/declaration/compare/look-groups.ts", FAILS, [
    [" && isInside(name))", " && false)"],
    ["return { lacksGroups: [], hasGroup: true, fault: faultText(error) };", "throw error;"],
  ]),
  ...within("src/declaration/carry-out/close-login.ts", "e2e/apply-full.test.ts", [
    ["if (isClosed(user.shell)) return", "if (true) return"],
  ]),
  ...within("src/declaration/carry-out/remove.ts", "e2e/apply-full.test.ts", [
    ["if (failure !== undefined) leaveJail(root, user, once, said);", ""],
  ]),
  ...within("src/declaration/carry-out/user.ts", "e2e/apply-full.test.ts", [["if (!isDone)", "if (false)"]]),
  ...within("src/declaration/carry-out/user.ts", "e2e/apply-sessions.test.ts", [
    ['return action !== "create";', "return false;"],
    ["&& !isLimitedShell(from)", ""],
  ]),
  ...within("src/users/change-login.ts", HIDDEN, [["if (line !== undefined) hearer.warn(line);", ""]]),
  ...within("src/system/holders.ts", "e2e/apply-left-uids.test.ts", [
    ["this.note(takes, { ...holder, takes });", ""],
  ]),
  ...within("src/users/sessions.ts", HIDDEN, [["isProcessOf(uid) ?", "false ?"]]),
  ...within("src/system/processes.ts", HIDDEN, [
    [' || map === readOf(proc, "self", "uid_map")', ""],
    [" || (uid !== 0 && uidsToTake(proc, pid, ids).includes(uid))", ""],
  ]),
  ...within("src/declaration/compare/look-user.ts", FORESEES, [
    ["requireSafePlace(root, path, otherHome(account, root, path));", ""],
  ]),
  ...within("src/declaration/compare/look-user.ts", "e2e/apply-hostile.test.ts", [
    ["return isFault ? { home: ", "return true ? { home: "],
  ]),
  ...within("src/jails/owners.ts", "e2e/apply-hostile.test.ts", [
    ['"enough" : undefined', "undefined : undefined"],
  ]),
  ...within("src/jail/fs/covered.ts", "e2e/covered-files.test.ts", [["hiding.has(one)", "false"]]),
  ...within("src/system/sshd/taking-away.ts", "unit/sshd-taking-away.test.ts", [
    ["if (ofUser.some((lines) => lines.some(isUnclear))) return [];", ""],
    ['return keyword === "match" || isLeast(line);', "return true;"],
    ['list.some((one) => one.startsWith("!"))', "false"],
    ['keyword === "allowgroups" && mentions(words, group)', "false"],
    ["return deniesGroups(words)([group]);", "return true;"],
  ]),
  ...within("src/system/root-groups.ts", "unit/root-groups.test.ts", [
    ["if (rules === undefined) return true;", "if (rules === undefined) return false;"],
    ['services.some((one) => one !== "files") || ', ""],
    [' || OTHER_RULES.test(read("/etc/sudo.conf"))', ""],
    ["if (!PLAIN_PATH.test(path)) return undefined;", ""],
    ['.replace(/["\\\\]/g, "")', ""],
  ]),
  ...within("src/declaration/compare/limits.ts", "e2e/apply-fails.test.ts", [
    [" && !isNamedForRoot(group)", ""],
  ]),
  ...within("src/tools/jailkit-import.ts", KEPT, [[", { isRemade: true }", ""]]),
  ...within("src/declaration/carry-out/remove-home.ts", "e2e/apply-exchanged-homes.test.ts", [
    [' || samenessOf(id, openIdOf(open.fd)) !== "same")', ")"],
  ]),
  ...within("src/declaration/carry-out/remove.ts", NESTED, [["created.holds ?? fate.holds", "fate.holds"]]),
  ...within("src/declaration/compare/leaving.ts", NESTED, [
    ["if (places.has(path)) count++;", ""],
    ["if (fate.home !== undefined) this.#moved.add(name);", ""],
    ["return isAlone ? this", "return true ? this"],
    [" || isTooLarge(error)) return undefined;", ") return undefined;"],
    ["code === HOLDS_HOME &&", "false &&"],
  ]),
  ...within("src/declaration/compare/leaving.ts", MOVES, [
    ["known ?? absentFault(jail, places)", "known ?? absentFault(jail)"],
  ]),
  ...within("src/declaration/compare/leaving.ts", STAYS, [
    ['if (lost?.code === "moved" || lost?.code === "not-mounted") {', "if (false) {"],
  ]),
  ...within("src/declaration/carry-out/lose.ts", LEAVES, [
    ["forgetGroups(account, once, { ...said, errors });", ""],
    ["const count = forgetKeys(root, account, once, said);", "const count = 0;"],
  ]),
  ...within("src/declaration/compare/compare.ts", "e2e/apply-fstab.test.ts", [
    ["possible(taking(changes), error)", "taking(changes)"],
  ]),
  ...within("src/declaration/carry-out/take-out.ts", LEAVES, [
    ["  for (const error of kept.values()) throw error;\n", ""],
    ["  if (failure !== undefined) throw tellingOfSessions(failure, user, said);\n", ""],
  ]),
  ...within("src/declaration/compare/former-jails.ts", STAYS, [
    ["if (isHere && declared.length > 0) {", "if (false) {"],
    ["prune && deleteHomes && !isTaken ? left", "prune && deleteHomes ? left"],
  ]),
  ...within("src/declaration/compare/former-jails.ts", LEAVES, [
    ["if (damaged.length === 0 &&", "if (false &&"],
  ]),
  ...within("src/declaration/compare/exchanged.ts", "e2e/apply-exchanged-names.test.ts", [
    ["unclear.length === 0 && ", ""],
  ]),
  ...within("src/declaration/compare/follow-names.ts", "e2e/apply-exchanged-names.test.ts", [
    ["if (uid !== undefined) return uid === account.uid;", "if (uid !== undefined) return true;"],
    ["hasHome(account, once.homeId) && !", "!"],
    ["users.set(account.name, withAccess(meant, once));", "continue;"],
    [" && other !== undefined && uidOf(other) !== undefined", ""],
    ["leaving.has(name) && other", "other"],
  ]),
  ...within("src/declaration/compare/exchanged.ts", RENAMED_LIMITS, [
    ["this.#lostName(user, once, declared) ??", ""],
    ["known ?? answered(() => perhapsOf(once, this.accounts))", "known"],
    [" || meansOther(user, other));", ");"],
    ["known !== undefined && found.now === undefined", "found.now === undefined"],
  ]),
  ...within("src/declaration/compare/follow-names.ts", RENAMED_LIMITS, [
    ["(named.has(once.name) || meansOther(former, account))", "named.has(once.name)"],
  ]),
  ...within("src/declaration/compare/exchanged.ts", "e2e/apply-renamed.test.ts", [
    ["declared(other.name) !== undefined || meansOther(user, other)", "meansOther(user, other)"],
  ]),
  ...within("src/declaration/compare/lost-name.ts", RENAMED_LIMITS, [
    ["created !== undefined && jailOfHome(account.home) === jail", "created !== undefined"],
    [" || userByName(name)?.uid === uid) return", " || userByName(name) !== undefined) return"],
  ]),
  ...within("src/declaration/machine-place.ts", RENAMED_LIMITS, [
    [
      "if (account !== undefined || doubt !== undefined) return doubt;",
      "if (account !== undefined) return doubt;",
    ],
  ]),
  ...within("src/lint/declared.ts", RENAMED_LIMITS, [["if (doubt !== undefined) return doubt;", ""]]),
  ...within("src/declaration/meant-of-lacking.ts", RENAMED_LIMITS, [
    ["isHere(one) && one.out === isOut && uidOf(one) === uid && isFormer(one.name)", "false"],
  ]),
  ...within("src/users/former-names.ts", RENAMED_LIMITS, [
    ["if (declared !== undefined) former.add(declared.name);", ""],
    ["formerLines(accounts, user).map((line) => line.name)", ""],
    ["if (sections.some((one) => one.name === name)) continue;", ""],
    ["former.has(one.name) && limits(one)", "former.has(one.name)"],
    [", readPolicies(root).ini.sections]", "]"],
    ["[settings, readPolicies", "[readPolicies"],
  ]),
  ...within("src/users/changes.ts", RENAMED_LIMITS, [
    ["options.requireFit?.(user, root);\n    return jailUser", "return jailUser"],
    ["options.requireFit?.(user, root);\n      return prepareJail", "return prepareJail"],
  ]),
  ...within("src/check/account-files.ts", RENAMED_LIMITS, [
    ["!isThere && livesIn(jail, owner.home) ? owner.name : undefined", "undefined"],
  ]),
  ...within("src/declaration/renamed.ts", "e2e/apply-renamed.test.ts", [
    ["once.createdHome === account.home ? account.home : movedHome(once, account)", "account.home"],
    [" && hasHome(account, homeId)", ""],
    ["isUntouched(name, createdDay) && ", ""],
    ["if (there === undefined || there.uid === account.uid) continue;", ""],
    ["if (!isFree && isDoubtful) continue;", "if (now.homeId === MAY_BE_OTHER) continue;"],
  ]),
  ...within("src/declaration/renamed.ts", RENAMED, [
    ["hasOwnHome(once, account) ? once : undefined", "once"],
    ["if (!isFree && isDoubtful) continue;", "if (!isFree) continue;"],
  ]),
  ...within("src/declaration/compare/hidden.ts", MAY_BE, [
    ["(account && machine.mayBe.fault(account))", "undefined"],
  ]),
  ...within("src/declaration/compare/hidden.ts", MOVED_AND_RENAMED, [
    ['(moved && { ...moved, code: "doubtful-account" })', "undefined"],
  ]),
  ...within("src/declaration/compare/may-be-moved.ts", MOVED_AND_RENAMED, [
    ["once.formerly?.includes(jail) === true ? PATH :", ""],
    ["formerly === undefined || baseName(home) === user.name", "true"],
    ["formerly === undefined || baseName(home) === user.name", "false"],
  ]),
  ...within("src/declaration/compare/by-former-name.ts", OLDER_NAMES, [
    ["!isDeclared(account.name) && ", ""],
    [" && !meansOther(user, account)", ""],
    ["account !== undefined && (directory", "(directory"],
    [" || isSameHome(account.home, jail, home));", " || true);"],
  ]),
  ...within("src/declaration/compare/exchanged.ts", OLDER_NAMES, [
    ["return this.#renamedSince(user, declared);", "return [];"],
    ["return other && lostNameFault", "return undefined && lostNameFault"],
  ]),
  ...within("src/declaration/compare/follow-names.ts", OLDER_NAMES, [[" || isWhere)", ")"]]),
  ...within("src/declaration/compare/home-differs.ts", OLDER_NAMES, [
    ["if (holder !== undefined) {", "if (false) {"],
  ]),
  ...within("src/declaration/once-of.ts", OLDER_NAMES, [
    ["formerly: account?.formerly,", "formerly: undefined,"],
  ]),
  ...within("src/declaration/renamed.ts", OLDER_NAMES, [
    ["formerly: withFormer(one, user.name)", "formerly: undefined"],
  ]),
  ...within("src/declaration/compare/lost-name.ts", OLDER_NAMES, [
    ["jail === user.jail ? [] : [", "true ? [] : ["],
    ["if (keepsName(other.name)) {", "if (false) {"],
  ]),
  ...within("src/declaration/compare/may-be.ts", MAY_BE, [
    ["byName.set(account.name, { user, by });", ";"],
    ["if (!hasHomeOf(user, own)) for", "if (user === null) for"],
  ]),
  ...within("src/declaration/compare/exchanged.ts", MAY_BE, [
    ["this.#namedAnew(user, once, declared) ??", ""],
    ["return isFormer ? meantFault", "return user === null ? meantFault"],
  ]),
  ...within("src/declaration/compare/lost-name.ts", RENAMED_LIMITS, [
    ["remedy: isLikely ? undefined : remedy", "remedy"],
  ]),
  ...within("src/declaration/carry-out/remove.ts", "attack/home-removal.test.ts", [
    ["if (lookUp(root, place) === undefined) created.homeGone();", ""],
  ]),
  ...within("src/declaration/renamed.ts", RENAMED_LEAVES, [
    ["before.created === undefined ? recordedNameOf(now) : undefined", "undefined"],
  ]),
  ...within("src/declaration/compare/follow-names.ts", RENAMED_LEAVES, [
    ["isSame ? recordedNameOf(once) : undefined", "undefined"],
  ]),
  ...within("src/declaration/compare/former-name.ts", RENAMED_LEAVES, [["uid: once.uid,", ""]]),
  ...within("src/declaration/compare/leftovers.ts", RENAMED_LEAVES, [
    ["[uid, created, once.uid].includes", "[uid, created].includes"],
  ]),
  ...within("src/declaration/renamed.ts", INTO_DIRECTORY, [
    [" ?? byHome.get(homeOf(user, account))", ""],
    ["hasUid && once.directory === directory ?", "once.directory === directory ?"],
    ["if (now.created === undefined) names", "if (one.created === undefined) names"],
  ]),
  ...within("src/declaration/compare/follow-names.ts", INTO_DIRECTORY, [
    ["isLocalUser(account.name) ? here : asOfDirectory(known)", "here"],
  ]),
  ...within("src/declaration/compare/lost-name.ts", INTO_DIRECTORY, [
    ['isLocal || user.directory ? ofJail : ["directory = yes"]', "[] as string[]"],
  ]),
  ...within("src/declaration/carry-out/lose.ts", INTO_DIRECTORY, [
    ["heirOf(root, once, line), once", "line, once"],
  ]),
  ...within("src/declaration/once-shape.ts", RENAMED_LEAVES, [["(recordedAs ?? name)", "name"]]),
  ...within("src/declaration/once-of.ts", RENAMED_LEAVES, [
    ["once?.homeId === homeId && once?.uid === uid ? once?.recordedAs : undefined", "once?.recordedAs"],
  ]),
  ...within("src/declaration/compare/fate.ts", RENAMED_LEAVES, [[" && recordedAs === undefined", ""]]),
  ...within("src/users/account-record.ts", RENAMED_LEAVES, [
    [" &&\n    recalled(request).uid === uid;\n  const request", ";\n  const request"],
  ]),
  ...within("src/users/account-record.ts", "e2e/apply-renamed-record.test.ts", [
    ["before === undefined || !isRenamed(root, before)", "true"],
    ["isFormer ? isFormerOne : isAbout(name)", "isAbout(name)"],
    ["isNamedOnce(request, name) && recalled(request).uid === uid", "isNamedOnce(request, name)"],
  ]),
  ...within("src/users/jail-side.ts", "e2e/apply-renamed-two-jails.test.ts", [
    ["return isInOtherJail(real, root) || dirsEqual(line.home, home);", "return isInOtherJail(real, root);"],
    ["return isInOtherJail(real, root) || dirsEqual(line.home, home);", "return false;"],
  ]),
  ...within("src/users/changes.ts", RENAMED_LEAVES, [['!livesIn(root.path, owner?.home ?? "")', "true"]]),
  ...within("src/users/leaving.ts", RENAMED_LEAVES, [["one.name !== name && ", "false && "]]),
  ...within("src/declaration/once.ts", RENAMED_THERE, [
    ["out: once.directory, keys: []", "keys: []"],
    ["out: once.directory, keys: []", "out: once.directory"],
  ]),
  ...within("src/declaration/compare/other-names.ts", LEAVES_THERE, [
    ["homeIdInJail(user.jail, account) === user.homeId", "true"],
  ]),
  ...within("src/declaration/compare/exchanged.ts", LEAVES_THERE, [
    ["account.name === name && !once.directory", "account.name === name"],
    ["user.directory ? known === undefined : once.directory", "user.directory"],
  ]),
  ...within("src/declaration/compare/follow-names.ts", LEAVES_THERE, [
    ["known.directory || (", "("],
    ["!known.directory || isHere(once, account)", "true"],
  ]),
  ...within("src/declaration/compare/former-name.ts", LEAVES_THERE, [
    ["isHere(once, account) ? gone(once) : once", "once"],
    ["isHere(once, account) ? gone(once) : once", "gone(once)"],
    ["livesIn(jail, home) ||", ""],
    ["userByName(name)?.uid === uid", "userByName(name) === undefined"],
  ]),
  ...within("src/declaration/compare/lost-name.ts", LEAVES_THERE, [
    ["directory ? dirsEqual(homeFor(owner, jail), line.home) : ", ""],
    ["!isIt || ", ""],
  ]),
  ...within("src/declaration/compare/former-name.ts", LEAVES_THERE, [
    ["directory && !isHere(once, heir)", "directory"],
  ]),
  ...within("src/declaration/compare/heir.ts", LEAVES_THERE, [["!isKnown && ", ""]]),
  ...within("src/declaration/compare/user.ts", LEAVES_THERE, [[", heirText(declared, heir?.()))", ")"]]),
  ...within("src/declaration/once.ts", LEAVES_THERE, [["once?.directory ? once.uid", "false ? once?.uid"]]),
  ...within("src/declaration/meant-of-lacking.ts", LEAVES_THERE, [
    [" ?? renamedFrom(name, jail, known.once, true)", ""],
  ]),
  ...within("src/declaration/meant-of-lacking.ts", WAITS, [
    ["if (declared?.has(name)) return { remedy: SHOWS };", ""],
    ["if (user?.jail === jail)", "if (false)"],
    ["one.jail === jail && one.directory && !one.out", "false"],
  ]),
  ...within("src/declaration/compare/former.ts", "e2e/apply-moved-user.test.ts", [
    ["if (isStrayIn(jail, once, places)) return undefined;", ""],
    ["() => (uid === undefined ? undefined : userByUid(uid))", "() => undefined"],
  ]),
  ...within("src/users/stray-home.ts", "e2e/apply-moved-user.test.ts", [
    ['why: "no-line", isSure: isLast', 'why: "no-line", isSure: true'],
    ['why: "both", isSure: false', 'why: "both", isSure: true'],
  ]),
  ...within("src/users/own-home.ts", "e2e/apply-moved-user.test.ts", [[" ?? findInOther(user, root)", ""]]),
  ...within("src/users/other-jail-home.ts", "e2e/apply-moved-user.test.ts", [
    ["takeLinesOut(jail, line)}", "takeLinesOut(jail, user.name)}"],
  ]),
  ...within("src/users/known-homes.ts", DOUBTS, [
    ["if (isTheirs ||", "if ("],
    [" || stat.uid !== uid", ""],
  ]),
  ...within("src/declaration/known-homes.ts", DOUBTS, [
    ["once.homeId !== undefined", "once.homeId === undefined"],
  ]),
  ...within("src/declaration/compare/uid-fault.ts", DOUBTS, [
    ["had === line.uid && owners.of(had, name) === undefined && ", "false && "],
    [" && !owners.isAtHome(account)", ""],
  ]),
  ...within("src/declaration/compare/uid-fault.ts", "e2e/apply-renamed.test.ts", [
    ["had === line.uid && owners.of(had, name) === undefined &&", "had === line.uid &&"],
  ]),
  ...within("src/declaration/machine-place.ts", DOUBTS, [
    ["line && line.uid !== account.uid ?", "line && false ?"],
    ["  if (mayBeMoved().some((one) => one.jail === jail)) return;\n", ""],
  ]),
  ...within("src/declaration/compare/work.ts", DOUBTS, [
    ['"in-another-jail", "moved"]', '"in-another-jail"]'],
  ]),
  ...within("src/tools/jailkit-explain.ts", DOUBTS, [
    ["return { remedy: lacking({ ...user, jail }, jail).remedy };", "return undefined;"],
    ["if (isSide(step)) return { ...step, message:", "if (false) return { ...step, message:"],
  ]),
  ...within("src/users/new-account.ts", DOUBTS, [
    ["present.uid === 0 || uid !== undefined ? undefined", "true ? undefined"],
  ]),
  ...within("src/users/new-account.ts", "e2e/apply-renamed-record.test.ts", [
    ["present.uid === 0 || uid !== undefined ? undefined", "present.uid === 0 ? undefined"],
  ]),
  ...within("src/tools/jk_addjailuser.ts", DOUBTS, [["passwdByName(one.name) === undefined", "false"]]),
  ...within("src/declaration/compare/look-user.ts", "e2e/apply-renamed-directory-leaves.test.ts", [
    ["if (!declared.directory && !isLocal(declared, machine)) return undefined;", ""],
  ]),
  ...within("src/users/other-jail-home.ts", "e2e/older-files-names.test.ts", [
    ["heir.account === undefined;", "true;"],
    ['isTheirs ? "" :', 'false ? "" :'],
    ["accountNamed(line.name)?.uid === uid", "accountNamed(line.name) !== undefined"],
  ]),
  ...within("src/declaration/compare/uid-fault.ts", "e2e/older-files-names.test.ts", [
    ["  if (since !== undefined) return sinceFault(account, since, former.uid);\n", ""],
  ]),
  ...within("src/declaration/compare/former.ts", "e2e/older-files-names.test.ts", [
    ["line !== undefined && line.uid !== account.uid) return true", "line === undefined) return false"],
  ]),
  ...within("src/check/unknown-user.ts", "e2e/older-files-names.test.ts", [
    [" ?? eitherLine(name, real, facts)", ""],
  ]),
  ...within("src/check/unknown-user.ts", "e2e/apply-moved-user.test.ts", [["?? stray ??", "??"]]),
  ...within("src/check/other-home.ts", WAITS, [[" ?? facts.declaredHere(real)", ""]]),
  ...within("src/status/accounts.ts", WAITS, [["meant === undefined ? fault", "true ? fault"]]),
  ...within("src/jail/fs/mounted-home.ts", "e2e/apply-two-homes.test.ts", [
    ["  if (link !== undefined) return link;\n", ""],
  ]),
  ...within("src/users/one-home.ts", "e2e/apply-two-homes.test.ts", [
    ["isThere(host) && (hasHome(host) || !hasHome(inside)) ?", "isThere(host) ?"],
    ["stat !== undefined && isLink(stat)\n    ? answered(", "stat === null\n    ? answered("],
  ]),
  ...within("src/users/no-shadow.ts", "e2e/shadow-line-gone.test.ts", [
    ["if (isShadowLost(shadows)) return", "if (shadows === null) return"],
  ]),
  ...within("src/status/host-files.ts", "e2e/status-declared.test.ts", [
    ["if ((stat.mode & 0o004) !== 0) return [];", "if (stat.mode !== 0) return [];"],
  ]),
  ...within("src/users/primary-group.ts", "e2e/status-declared.test.ts", [
    ["if (gid !== 0 || uid === 0) return undefined;", "if (gid !== null) return undefined;"],
  ]),
  ...within("src/enter/login/host-checks.ts", "e2e/status-declared.test.ts", [
    [
      'if (facts.gid !== 0 || verdict.outcome !== "failed") return verdict;',
      "if (facts.gid !== -1) return verdict;",
    ],
  ]),
  ...within("src/status/accounts.ts", "e2e/status-declared.test.ts", [
    [' || jail.condition === "incomplete"', ""],
    ["isClosed(shell) && !fromService", "false"],
    ["one.closed.filter(({ name }) => isDeclared(name))", "one.closed"],
    [
      "if (declared !== undefined) return { ...fault, remedy: APPLY",
      "if (declared === null) return { ...fault, remedy: APPLY",
    ],
    ["declared === undefined ? fault : { ...fault, otherwise", "true ? fault : { ...fault, otherwise"],
  ]),
  ...within("src/status/config-findings.ts", "e2e/status-declared.test.ts", [
    ["!told.has(placeOf(one, one.code))", "true"],
  ]),
  ...within("src/status/findings.ts", "e2e/status-declared.test.ts", [[" || told.has(name)", ""]]),
  ...within("src/users/one-home.ts", "e2e/apply-two-homes.test.ts", [
    ['target.startsWith("/") || rest.includes("..")', 'rest.includes("..")'],
    ['target.startsWith("/") || rest.includes("..")', 'target.startsWith("/")'],
    ["return ups < pathComponents(link).length;", "return true;"],
  ]),
  ...within("src/users/new-account-place.ts", "e2e/apply-two-homes.test.ts", [
    ["const why = neverHome(real, true);", "const why = neverHome(real);"],
    ["if (other !== undefined) throw homeOfOther(root, real,", "if (false) throw homeOfOther(root, real,"],
  ]),
  ...within("src/lint/places.ts", "e2e/apply-two-homes.test.ts", [
    ['errorWithCode("two-homes", () => requireOnePlace(root, home))', "undefined"],
    ['? errorWithCode("two-homes", () => requireOneHome(root, home))', "? undefined"],
  ]),
  ...within("src/tools/jailkit-explain.ts", WAITS, [["isElsewhere && isSide(step) ?", "false ?"]]),
  ...within("src/declaration/gather.ts", WAITS, [["waitsElsewhere(resident, root, shared) ??", ""]]),
  ...within("src/declaration/compare/intent.ts", LEAVES_THERE, [["isKept = directory || ", "isKept = "]]),
  ...within("src/declaration/renamed.ts", RENAMED_THERE, [
    ["directory ? homeId !== undefined && homeIdInJail(jail, account) === homeId : ", ""],
  ]),
  ...within("src/declaration/compare/other-names.ts", "e2e/apply-renamed.test.ts", [
    ["if (other !== undefined && uidOf(other) === account.uid) return undefined;", ""],
  ]),
  ...within("src/declaration/renamed.ts", RENAMED_ELSEWHERE, [
    ["once.jail !== jail : once.directory)", "once.jail !== jail : once.jail !== jail)"],
    ["hasHome(account, once.homeId) ? notCreated(once) : undefined", "undefined"],
  ]),
  ...within("src/declaration/compare/other-names.ts", RENAMED_ELSEWHERE, [
    ["const account = byHome ?? byUid;", "const account = byUid;"],
  ]),
  ...within("src/declaration/follow-move.ts", RENAMED_ELSEWHERE, [
    ["(user.homeId && byHome.get(user.homeId)) || byName", "byName"],
  ]),
  ...within("src/declaration/compare/taken-out.ts", RENAMED_ELSEWHERE, [
    ["there !== once.jail && uidOf(once) === user.uid", "false"],
  ]),
  ...within("src/declaration/compare/leftovers.ts", RENAMED_ELSEWHERE, [
    ["(once.directory || jailOfHome(heir.home) === jail) &&", ""],
  ]),
  ...within("src/declaration/compare/lost-name.ts", RENAMED_ELSEWHERE, [
    ["groups.length + keys.length > 0 ? account : undefined", "account"],
    ["groups.length + keys.length > 0 ? account : undefined", "undefined"],
  ]),
  ...within("src/declaration/compare/former-members.ts", RENAMED, [
    ["!hasLine && ", ""],
    ["onHost.includes(group) || isInside(group)", "onHost.includes(group)"],
    ["(once.uid !== undefined && once.uid !== account.uid)", "false"],
    ["isAll && isOut && !isTold ?", "false ?"],
  ]),
  ...within("src/declaration/compare/former-members.ts", RENAMED, [["heir !== undefined || (note", "(note"]]),
  ...within("src/declaration/compare/heir.ts", RENAMED, [
    ["declared?.groups.includes(group) || ", ""],
    [" || given?.groups.includes(group)", ""],
    ["own.has(sum) || given", "given"],
  ]),
  ...within("src/declaration/compare/former-members.ts", RENAMED_THERE, [
    ["directory && once.uid !== undefined && isOutside(once, account)", "directory"],
    ["directory && once.uid !== undefined && isOutside(once, account)", "false"],
    ["answered(() => ({ account: machine.accounts.userByName(name) }))", "{ account: undefined }"],
    ["(note !== undefined && once.directory);", "false;"],
  ]),
  ...within("src/declaration/compare/taken-out.ts", RENAMED, [
    [" && [undefined, user.uid].includes(once.uid)", ""],
    [" || (created === undefined && isGone())", ""],
  ]),
  ...within("src/declaration/compare/which-account.ts", RENAMED, [
    ['return sameness === "other" ? "other" : "doubtful";', 'return "doubtful";'],
    ['if (homeId !== undefined && homeId === home) return "declared";', ""],
  ]),
  ...within("src/declaration/carry-out/carry-out.ts", RENAMED, [["if (former.tellsKeys)", "if (false)"]]),
  ...within("src/declaration/carry-out/remove.ts", RENAMED, [
    ["if (line && user === undefined && jail === once.jail) loseByLine", "if (false) loseByLine"],
    ['if (user === undefined && what === "groups") leaveByName', "if (false) leaveByName"],
  ]),
  ...within("src/declaration/carry-out/remove.ts", RENAMED_THERE, [
    ["if (once.directory) leaveByName", "if (false) leaveByName"],
  ]),
  ...within("src/declaration/carry-out/lose.ts", RENAMED, [
    [" || answered(() => hostUser(line.uid) === undefined) !== true", ""],
  ]),
  ...within("src/declaration/once-of.ts", RENAMED, [["? uid || account?.uid :", "? account?.uid :"]]),
  ...within("src/declaration/once-of.ts", RENAMED_THERE, [
    ["directory ? homeIdInJail(jail, account) : ", ""],
  ]),
  ...within("src/declaration/memory.ts", RENAMED, [[", uid: uidOf(user) }", " }"]]),
  ...within("src/declaration/compare/former.ts", LEAVES, [
    ["if (has.isForgotten) forgotten", "if (false) forgotten"],
    ["if (out) return false;", ""],
  ]),
  ...within("src/declaration/compare/former-members.ts", LEAVES, [
    ["const isLeft = given.length > 0 || !isOut || isTold;", "const isLeft = !isOut || isTold;"],
  ]),
  ...within("src/declaration/compare/taken-out.ts", LEAVES, [
    ["splitHome(user.home) === undefined && ", ""],
    ["unfound() : (there ?? keys);", "unfound() : (there ?? []);"],
    ["![user.uid, 0].includes", "![user.uid].includes"],
    ["home, true) }", "home) }"],
    ["if (found !== undefined && !", "if (!"],
  ]),
  ...within("src/declaration/compare/which-account.ts", LEAVES, [
    ["created === undefined || created === uid", "true"],
  ]),
  ...within("src/declaration/compare/which-account.ts", OTHER_UIDS, [
    ["return hasHome(account, homeId) || (", "return ("],
    [" && isOfDay(account.name, createdDay));", ");"],
  ]),
  ...within("src/declaration/once-of.ts", OTHER_UIDS, [["|| once.created === uid\n", "|| true\n"]]),
  ...within("src/declaration/once-of.ts", "e2e/apply-waiting-rights.test.ts", [
    ["isHere && givenInSpite(user, changes)", "false"],
  ]),
  ...within("src/declaration/compare/takes.ts", "e2e/apply-waiting-rights.test.ts", [
    ["!(declared.directory || splitHome(state.account.home))", "false"],
  ]),
  ...within("src/declaration/compare/returning.ts", "e2e/new-accounts.test.ts", [
    ["    this.#next = undefined;\n", ""],
  ]),
  ...within("src/declaration/memory.ts", "e2e/status.test.ts", [["if (stays) this", "if (false) this"]]),
  ...within("src/declaration/memory.ts", LEAVES, [
    ["{ out: true, ...createdOf(undefined), uid: uidOf(user) }", "{ out: true }"],
  ]),
  ...within("src/declaration/parsed.ts", "e2e/apply-parsed.test.ts", [
    ["uid === libc.geteuid() && (mode", "(mode"],
    [" && (mode & 0o022) === 0", ""],
    ["    hash.update(bytes);\n", ""],
    ["    hash.update(JSON.stringify([file, bytes.length]));\n", ""],
    ["`${ino}`, ", ""],
    ["{ follow: false }", "{}"],
    ["if (error instanceof SyntaxError) return undefined;", ""],
  ]),
  ...within("src/declaration/read.ts", "e2e/apply-parsed.test.ts", [
    ["errors.length === 0 ? cache?.find(sources) : undefined", "cache?.find(sources)"],
  ]),
  ...within("src/system/give.ts", KEPT, [
    ["  if (!onlyRootExchanges(directoryOf(path))) return undefined;\n", ""],
    [" --from=+${uid} ${owner}", " ${owner}"],
    ["found.group === undefined ?", "false ?"],
  ]),
  ...within("src/enter/remedies.ts", "e2e/moved-aside.test.ts", [
    ["mkdir -m 0700 ${word} && chown", "mkdir -p -m 0700 ${word} && chown"],
  ]),
  ...within("src/system/free-name.ts", "e2e/moved-aside.test.ts", [
    ["while (isTaken(free)) [taken, free] = [free, 2 * free];\n", ""],
  ]),
  ...within("src/system/free-name.ts", "unit/free-name.test.ts", [
    ["if (isTaken(middle)) taken = middle;", "if (!isTaken(middle)) taken = middle;"],
    ["(isWhole ? cut : cut", "(isWhole ? path : cut"],
    ["NAME_MAX = 255", "NAME_MAX = 256"],
  ]),
  ...within("src/declaration/carry-out/remove.ts", PRUNE, [
    ["requireNothingRuns(user);\n  // It stays", "// It stays"],
  ]),
  ...within("src/declaration/compare/compare.ts", PRUNE, [
    ["...(prune ? gone.former : [])", "...gone.former"],
    ["const asked = prune ? compared.changes", "const asked = true ? compared.changes"],
  ]),
  ...within("src/declaration/compare/former.ts", MOVES, [
    ["const once = whereItIs(declared, machine);", "const once = declared;"],
  ]),
  ...within("src/declaration/compare/leftovers.ts", MOVES, [
    ["if (there === jail) return undefined;", ""],
    ["const isRight = policy && inside", "const isRight = inside"],
  ]),
  ...within("src/declaration/once-of.ts", MOVES, [
    ["before.includes(!limited)", "false"],
    ["left: once === undefined ? [] : leftJails(jail, once)", "left: []"],
  ]),
  ...within("src/declaration/compare/fate.ts", KEPT, [
    ["const isOurs = createdHome === joinHome(root.path, home);", "const isOurs = true;"],
  ]),
  ...within("src/declaration/carry-out/user.ts", MOVES, [
    ["once.createdHome === moved.from", "once.created !== undefined"],
  ]),
  ...within("src/declaration/compare/former-jails.ts", MOVES, [
    ["lost ?? faultText(error)", "faultText(error)"],
  ]),
  ...within("src/declaration/compare/place-fault.ts", "e2e/apply-not-declared.test.ts", [
    ["if (renamed !== undefined) return renamed;", ""],
  ]),
  ...within("src/declaration/compare/place-fault.ts", MOVES, [
    ["if (moved !== undefined) return", "if (moved === null) return"],
  ]),
  ...within("src/declaration/compare/former-jails.ts", "e2e/apply-displaced.test.ts", [
    [" && exchangedAt(once.path) === undefined", ""],
  ]),
  ...within("src/declaration/compare/account-place.ts", IN_PLACE, [[" ?? findExchanged(jail)", ""]]),
  ...within("src/declaration/compare/former-jails.ts", IN_PLACE, [
    ["if (!isAway(once)) forgotten.push", "forgotten.push"],
  ]),
  ...within("src/declaration/compare/former-away.ts", IN_PLACE, [
    ["if (copied !== undefined) return", "if (copied === null) return"],
  ]),
  ...within("src/jail/record/bare.ts", IN_PLACE, [
    ["isEmptyDirectory) &&\n      !isMountPoint(path)", "isEmptyDirectory)"],
    ["found === undefined || isMountPoint(found)", "found === undefined"],
  ]),
  ...within("src/jail/record/displaced.ts", IN_PLACE, [
    ["if (this.#isLeft(whose, path))", "if (whose === null)"],
    ["(isFound ? chain", "(chain.length > 0 ? chain"],
  ]),
  ...within("src/jail/record/displaced.ts", "e2e/apply-displaced.test.ts", [
    ["return from !== undefined && mountRemedy(from) === undefined ?", "return from === null ?"],
    ["if (whose !== undefined) {", "if (whose === null) {"],
    ["const place = this.#placeOf(path);", "const place = path === null ? this.#placeOf(path) : undefined;"],
  ]),
  ...within("src/jail/record/renames.ts", "e2e/apply-displaced.test.ts", [
    ["!mounts.has(path) && onlyRootExchanges(path)", "onlyRootExchanges(path)"],
  ]),
  ...within("src/jail/record/displaced.ts", "e2e/apply-displaced.test.ts", [
    ["if (teller === path) return", "if (teller !== null) return"],
  ]),
  ...within("src/jail/record/named-jail.ts", "e2e/exchanged-jails.test.ts", [
    ["    requireInPlace(root.path, root);\n", ""],
    ["  requireInPlace(jail);\n", ""],
    ["if (exchanged !== undefined) return", "if (exchanged === null) return"],
  ]),
  ...within("src/populate/open-jail.ts", "e2e/exchanged-jails.test.ts", [
    ["    requireInPlace(root.path, root, options.unsafeStatus);\n", ""],
    ["  requireInPlace(path, undefined, unsafeStatus);\n", ""],
  ]),
  ...within("src/jail/record/moved.ts", "e2e/adopt-remade.test.ts", [[" && !isAside()", ""]]),
  ...within("src/status/accounts.ts", "e2e/status-declared.test.ts", [
    ["return isWanted ?", "return true ?"],
    ["otherShells.length > 0 ? []", "otherShells === null ? []"],
  ]),
  ...within("src/status/findings.ts", "e2e/status-declared.test.ts", [
    ['kind === "changed" && declared !== undefined && taken.has', "false && taken.has"],
  ]),
  ...within("src/status/null-device.ts", "e2e/status-declared.test.ts", [
    ["stat.rdevMajor === MAJOR && stat.rdevMinor === MINOR", "stat.rdevMajor === MAJOR"],
    ["({ fd }) => mountRestrictions(fd).devices", "() => false"],
  ]),
  ...within("src/status/null-device.ts", "e2e/status.test.ts", [["|| !wasThere(root, NULL_DEVICE)", ""]]),
  ...within("src/status/start-files.ts", "e2e/status-declared.test.ts", [
    ["isRegular(found.stat) && found.stat.size === 0", "false"],
    ["if (!wasThere(root, found?.canonicalPath ?? path)) continue;", ""],
  ]),
  ...within("src/declaration/compare/directory-says.ts", "e2e/directory-says.test.ts", [
    ["if (!isSaid || isClosed(shell) ||", "if (!isSaid ||"],
    ["if (!isSaid || isClosed(shell)", "if (isClosed(shell)"],
  ]),
  ...within("src/status/rules.ts", "e2e/status-declared.test.ts", [
    [
      "hostSection(ini, user, accounts) === undefined ?",
      "!ini.sections.some(({ name }) => name === user.name) ?",
    ],
  ]),
  ...within("src/users/open-jail.ts", "e2e/status-declared.test.ts", [
    ["uid === 0 && (mode & 0o011) === 0", "false"],
    ["isRegular(stat) && wasThere(root, canonicalPath)", "isRegular(stat)"],
    ["isOne && stat.size === 0 && wasThere(root, canonicalPath)", "false"],
  ]),
  ...within("src/jail/record/moved.ts", "e2e/adopt.test.ts", [
    ["own.id !== id && readIdentity(tree, registry, own.id)?.path === path", "false"],
  ]),
  ...within("src/declaration/regrouped.ts", "e2e/apply-renamed-groups.test.ts", [
    ["names.find((one) => isIn(one, once.name))", "names[0]"],
  ]),
  ...within("src/declaration/regrouped.ts", "e2e/apply-leaves.test.ts", [
    ["answered(() => isIn(name, user.name)) === true ?", "false ?"],
  ]),
  ...within("src/declaration/remade.ts", "e2e/exchanged-jails.test.ts", [
    ["one.path !== path && one.directoryId === id", "false"],
  ]),
  ...within("src/declaration/remade.ts", "e2e/adopt-remade.test.ts", [
    ["isHarmless(usage) &&", ""],
    ["sameFile(here, there)", "false"],
    ['mountIn(path, othersMounts(root)[0]?.path ?? "/proc") ?? whatWasPut(root)', "whatWasPut(root)"],
    ["isMounted(root, directory)", "false"],
    ["[...unmount, close, aside", "[...unmount, aside"],
    ["if (owner !== undefined)", "if (owner === null)"],
    ["return other && ", "return other === null && "],
    ["like.size === usage.size", "true"],
  ]),
  ...within("src/declaration/compare/account-place.ts", "e2e/adopt-remade.test.ts", [
    ["return findRemade(there, jail) ??", "return"],
  ]),
  ...within("src/tools/jailkit-adopt.ts", "e2e/adopt-killed.test.ts", [
    ["    followMove(move, told);\n", "    followRecord(move, told);\n    followMove(move, told);\n"],
  ]),
  ...within("src/tools/jailkit-delete.ts", MOVES, [["followAccounts(runs, NAME)", "[]"]]),
  ...within("src/tools/jailkit-apply.ts", SILENT, [
    ["  waitInLookUps();\n", ""],
    ["  endWhilePlanning(files, options, due);\n", ""],
  ]),
  ...within("src/declaration/kept-homes.ts", KEPT, [
    ["if (isWholeJail(home)) return { home, place: undefined };", ""],
    ["if (owner?.uid === home.uid)", "if (false)"],
    ["beside.get(home.uid)", "undefined"],
    ["this.#away.getOrInsertComputed(jail, mayComeBack)", "false"],
    ["[createdHomeOf(user) ?? [], wholeJail(user)].flat());", "wholeJail(user));"],
  ]),
  ...within("src/declaration/kept-homes.ts", OF_OTHERS, [
    ["[createdHomeOf(user) ?? [], wholeJail(user)].flat());", "createdHomeOf(user) ?? []);"],
  ]),
  ...within("src/declaration/kept-homes.ts", JAIL_UIDS, [
    ["wholeJail({ ...user, jail });", "[];"],
    ["    this.#going.add(uid);\n", ""],
  ]),
  ...within("src/tools/jk_jailuser.ts", KEPT, [
    ["if (run !== undefined) warnOfKept(user, place, run, known);", ""],
  ]),
  ...within("src/declaration/kept-fault.ts", KEPT, [
    ["declared.directory || splitHome(home) === undefined", "declared.directory"],
    ["!directory && placeOf(one).jail !== jail", "false"],
    ["kept.whyLeft(uid, [name, former])", "kept.whyLeft(uid, [name])"],
    ["one.home === own || isWholeJail(one));", "one.home === own);"],
  ]),
  ...within("src/declaration/kept-fault.ts", JAIL_UIDS, [
    ["const left = leftFault(name, own, uid, kept, advice);", "const left = undefined;"],
    ["kept.whyLeft(uid, [name, former])", "kept.whyLeft(uid, [former])"],
  ]),
  ...within("src/declaration/kept-homes.ts", LOST_HOMES, [
    ["unknown().filter(({ home }) => home.isLost)", "[]"],
    ["answered(() => unmountedIn(jail).length) === 0", "true"],
    ["homeOutside(home) ?? [])", "[])"],
  ]),
  ...within("src/declaration/kept-where.ts", LOST_HOMES, [
    ["  home.isLost === true ||\n", ""],
    ["outside !== undefined && home.isLost ? [] :", "true ? [] :"],
    ["unmountedIn(jail).length > 0 ||", ""],
    ["!(one.isLost && one.uid === created && one.home === createdHome)", "true"],
  ]),
  ...within("src/declaration/compare/fate.ts", LOST_HOMES, [
    ["stays: homeOutside(lost) };", "};"],
    ['isOurs ? "is not there" : undefined', "undefined"],
  ]),
  ...within("src/declaration/compare/leaving.ts", LOST_HOMES, [
    ["if (hidden) return", "if (false) return"],
    ["stays(faultText(hidden)), ends: true", "stays(faultText(hidden))"],
  ]),
  ...within("src/declaration/carry-out/remove-home.ts", LOST_HOMES, [
    ["isLost: stat === undefined ? true : undefined", "isLost: undefined"],
  ]),
  ...within("src/declaration/kept-homes.ts", LEFT, [
    ["isWanted(uid) && this.of(uid, isWholeJail) === undefined)", "isWanted(uid))"],
  ]),
  ...within("src/declaration/memory.ts", JAIL_UIDS, [
    ["for (const jail of jailForgotten(this.#users.get(name), now)) this.#keep(jail);", ""],
  ]),
  ...within("src/declaration/uids-in-jails.ts", OF_OTHERS, [
    ["kept.has(uid) || jails.has(uid)", "kept.has(uid)"],
    ["kept.letGo(isFree) ?? jails.why(isFree)", "kept.letGo(isFree)"],
    ["[uid, [line]] of this.#linesOf(jail))", "[uid, [line]] of [...this.#linesOf(jail)].slice(0, 0))"],
    ["names.find((one) => one !== own)", "names.find((one) => one === own)"],
    ["lines.some((one) => one.name === name) ||", ""],
    ["|| beside.includes(baseName(home))", ""],
    ["own ?? (first && placeIn(jail, directoryOf(home), first))", "own"],
    ["if (place !== undefined) return { uid, jail, line, place };", ""],
    ["isKnown ? this.#besideOf", "false ? this.#besideOf"],
    [".filter((one) => one !== baseName(home))", ""],
    ["some((one) => one.name === name || one.home === home)", "some((one) => one.name === name)"],
    ["isGone ? forgetLine(jail, name) : undefined", "forgetLine(jail, name)"],
    ["  ...users,\n", ""],
    ["...knownPlaces(), ", ""],
    ["[...knownPlaces(), ...this.homes()]", "[...this.homes(), ...knownPlaces()]"],
  ]),
  ...within("src/declaration/kept-fault.ts", OF_OTHERS, [
    ["uids.otherThan(declared, uid)", "undefined"],
    ["uids.homeOfOther(declared, account.uid, isKnown)", "undefined"],
    ["if (found === undefined || isOwn) return", "if (found === undefined) return"],
    ["const fault = formerHomeFault(declared, account, known);", "const fault = undefined;"],
  ]),
  ...within("src/declaration/uid-owners.ts", OF_LIVING, [
    ["hostPath({ path: jail }, homeFor(account, jail)) !== place", "true"],
    [", this.#local.get(uid) ?? []]", "]"],
    ["userByName(former)?.uid === uid ? [former] : []", "false ? [former] : []"],
    ["account === undefined || account.uid === uid;", "account?.uid === uid;"],
    ["if (this.had(name) === uid) return [];", ""],
    ["goes?.(one.name, uid) !== true", "true"],
  ]),
  ...within("src/declaration/compare/uid-fault.ts", OF_LIVING, [
    [
      "if (former.uid === undefined || former.uid === uid) return undefined;",
      "if (former.uid === undefined) return undefined;",
    ],
    ["if (owners.of(former.uid, name) !== undefined)", "if (former.uid < 0)"],
  ]),
  ...within("src/declaration/compare/leaving.ts", "e2e/apply-linked-homes.test.ts", [
    ["fate.home && this.#plain(jail, fate.home)", "fate.home"],
  ]),
  ...within("src/declaration/kept-homes.ts", "e2e/apply-linked-homes.test.ts", [
    ["path: plainIn(root, placeOf(home).path)", "path: placeOf(home).path"],
  ]),
  ...within("src/declaration/kept-at.ts", "e2e/apply-linked-homes.test.ts", [
    ["plain(home)) !== undefined", "normalPath(home.home)) !== undefined"],
  ]),
  ...within("src/declaration/compare/uid-fault.ts", EDITED, [
    ["lost.uid === declared ?", "false ?"],
    ["if (!isSure) {", "if (false) {"],
    ["[0, uid].includes(line.uid)", "line.uid === 0"],
    ["if (homeIdOf(home, line.uid) === undefined) return undefined;", ""],
    ["const to = owners.of(line.uid, name)?.name;", "const to = undefined;"],
    ["lostUidText(account, lost, owners.of(uid, name)?.name)", "lostUidText(account, lost)"],
  ]),
  ...within("src/declaration/compare/which-account.ts", OTHER_UIDS, [
    ['code: "doubtful-account", message });', 'code: "doubtful-account", message, remedy: command });'],
  ]),
  ...within("src/declaration/uid-owners.ts", EDITED, [
    ["isSure: this.#isSame(account, uid) }", "isSure: true }"],
  ]),
  ...within("src/declaration/meant-of-lacking.ts", EDITED, [
    ["lineUidFault(jail, line, user, owners))", "undefined)"],
  ]),
  ...within("src/status/accounts.ts", EDITED, [["meantOf.otherUid(real, jail, line)", "undefined"]]),
  ...within("src/enter/login/other-uid.ts", EDITED, [
    ['verdict.outcome === "failed" ? otherUidAdvice(facts) :', "false ? otherUidAdvice(facts) :"],
  ]),
  ...within("src/enter/jail-account-checks.ts", EDITED, [["instead() ?? addUser", "addUser"]]),
  ...within("src/declaration/compare/uid-fault.ts", OTHER_UIDS, [
    ["  if (owner === undefined && declared === uid) return undefined;\n", ""],
    ["to !== undefined && isFree;", "to !== undefined;"],
    ["remedy: isFree ? back : undefined", "remedy: back"],
  ]),
  ...within("src/declaration/uid-owners.ts", OTHER_UIDS, [
    [" || homeIdAnywhere({ home, uid }) === undefined", ""],
    ["this.#isDeclared(one.name) && this.#lostUid(one) !== undefined", "this.#isDeclared(one.name)"],
  ]),
  ...within("src/declaration/once-of.ts", OTHER_UIDS, [['|| fault?.code === "uid-changed"', ""]]),
  ...within("src/declaration/once-of.ts", OF_LIVING, [['fault?.code === "uid-taken"', "false"]]),
  ...within("src/declaration/kept-at.ts", OF_LIVING, [['answered(() => owners.of(uid, ""))', "undefined"]]),
  ...within("src/declaration/uids-in-jails.ts", OF_LIVING, [
    ["isWanted(uid) && !isOwned(uid)", "isWanted(uid)"],
  ]),
  ...within("src/declaration/machine-place.ts", OF_LIVING, [
    ["sharedFault(section, account, facts) !== undefined", "false"],
  ]),
  ...within("src/declaration/kept-homes.ts", KEPT, [
    ["this.#going.has(uid) || this.hasAny(uid, isOwn)", "this.hasAny(uid, isOwn)"],
  ]),
  ...within("src/declaration/kept-homes.ts", OF_OTHERS, [["user && uidOf(user);", "user?.created;"]]),
  ...within("src/declaration/compare/look-user.ts", OF_OTHERS, [
    ["isThere ? undefined : formerFault(declared, account, machine)", "undefined"],
  ]),
  ...within("src/declaration/compare/fate.ts", OF_OTHERS, [
    ["lookUp(root, line.home)?.stat.uid !== line.uid", "true"],
  ]),
  ...within("src/declaration/carry-out/remove.ts", OF_OTHERS, [
    ["if (fate.stays !== undefined) means.stays(fate.stays);", ""],
  ]),
  ...within("src/declaration/compare/former.ts", "e2e/apply-directory.test.ts", [
    ["userByUid(uid)?.name !== name) === true", "userByUid(uid)?.name !== name) !== undefined"],
  ]),
  ...within("src/declaration/compare/leftovers.ts", OF_OTHERS, [
    ["[uid, created, once.uid].includes", "[uid, once.uid].includes"],
  ]),
  ...within("src/declaration/compare/hidden.ts", OF_OTHERS, [["own?.uid !== created", "true"]]),
  ...within("src/tools/jk_addjailuser.ts", OF_OTHERS, [["[{ ...place, isOwn: true }]", "[]"]]),
  ...begun("another uid before", "src/declaration/creating.ts", [
    ["...[...left, ...jailForgotten(user, now)]", "...left"],
  ]),
  ...within("src/declaration/carry-out/user.ts", JAIL_UIDS, [
    ["if (taken !== undefined) throw", "if (false) throw"],
  ]),
  ...within("src/tools/jk_addjailuser.ts", JAIL_UIDS, [["fault.told ?? fault.message", "fault.message"]]),
  ...within("src/declaration/compare/uid-fault.ts", KEPT, [
    [" ?? keptFault(declared, uid, known, DECLARED.uid)", ""],
  ]),
  ...within("src/declaration/compare/uid-fault.ts", "e2e/apply-left-ipc.test.ts", [
    [" ?? whyKeysStay(uid)", ""],
  ]),
  ...within("src/declaration/compare/machine.ts", KEPT, [
    ["this.kept.goes(name, uid, stays);", ""],
    ["if (stays !== undefined) this.#stays.add(stays.home);", ""],
  ]),
  ...within("src/declaration/carry-out/carry-out.ts", KEPT, [
    ["stays: memory.stays.bind(memory)", "stays: () => undefined"],
  ]),
  ...within("src/system/login-defs.ts", KEPT, [["if (now !== undefined) return now;", "return now;"]]),
  ...within("src/tools/jk_addjailuser.ts", KEPT, [
    ["const uidInstead = () => uidBeside(options.system, place);", "const uidInstead = () => undefined;"],
  ]),
  ...within("src/transfer/accounts.ts", KEPT, [[" ?? facts.keptUid(user)", ""]]),
  ...within("src/users/create-account.ts", KEPT, [["values.uid ?? uidInstead?.()", "values.uid"]]),
  ...within("src/declaration/once.ts", KEPT, [['"users", "kept", "creating"]', '"users", "creating"]']]),
  ...begun("never ran", "src/declaration/carry-out/creations.ts", [
    ["memory.intend(intent);", ""],
    ["unmark(one);", ""],
  ]),
  ...begun("before its account goes", "src/declaration/carry-out/creations.ts", [["unmark(intent);", ""]]),
  ...begun("before its account goes", "src/declaration/memory.ts", [
    ["if (createdHomeOf(this.#users.get(home.name))?.home !== home.home) this.write();", ""],
  ]),
  ...within("src/declaration/creating.ts", "e2e/apply-renamed.test.ts", [
    [" && entry.lastChange === day", ""],
    ['["!", "*"].includes(entry.password) && ', ""],
  ]),
  ...begun("renamed one", "src/declaration/creating.ts", [
    ["more.length === 0 && ", ""],
    ["renamed?.shell === CHROOT_SHELL && ", ""],
    ["livesIn(jail, createdHome)", "true"],
  ]),
  ...begun("renamed one", "src/declaration/renamed.ts", [[" || isMarked(before, once, account)", ""]]),
  ...begun("renamed meanwhile", "src/declaration/creating.ts", [['line.split(":")[1] === mark', "true"]]),
  ...within("src/jail/fs/owned.ts", "unit/owned.test.ts", [
    ["now.ctime >= this.wanted.since && ", ""],
    ["!(onlyRootWrites(here.stat) && onlyRootWrites(now))", "false"],
    ["owned.tops.add(top);", ""],
    ['this.#note(here.stat.uid, "", here);', ""],
  ]),
  ...within("src/jail/fs/owned.ts", LEFT, [
    ["if (kernelFileSystem(fd) !== undefined) return false;", ""],
    ["if (this.#isLive(stat) && !this.#hasOthersBelow()) return false;", ""],
    [" && !this.#hasOthersBelow()", ""],
    ["this.#requireTimes(fd);\n    return true;", "return true;"],
    ["if (now.ctime >= this.wanted.since", "if (false"],
  ]),
  ...within("src/system/give.ts", LEFT, [
    [" --from=+${uid} root", " root"],
    [" -o -uid ${uid} ! -type d -delete", ""],
    ["-maxdepth 1 -uid", "-uid"],
  ]),
  ...within("src/system/give.ts", "e2e/printed-commands.test.ts", [
    ["if (isShared && !isFile)", "if (false)"],
    ["return isShared ?", "return false ?"],
  ]),
  ...within("src/jail/fs/owned.ts", LEFT, [
    ["isProtected(directory) &&", "false &&"],
    ["&& protectsFrom(statIfPresent(fd, name))", ""],
  ]),
  ...within("src/declaration/left-uids.ts", LEFT, [
    [
      'const holders = holdersOf(uids, "no account was created; run this again");',
      "const holders = new Map<number, Holder[]>();",
    ],
  ]),
  ...within("src/declaration/kept-homes.ts", LEFT, [
    ["if (!(stay.has(home.uid) || stay.has(undefined))) ", ""],
    [" || stay.has(undefined)", ""],
  ]),
  ...within("src/declaration/compare/compare.ts", LEFT, [["letGo: machine.kept.gone()", "letGo: []"]]),
  ...within("src/declaration/change.ts", "unit/fault-of-one.test.ts", [
    [
      "  if (!isReported(error)) return {",
      "  if (!isReported(error)) throw error;\n  else if (error === undefined) return {",
    ],
  ]),
  ...within("src/system/pids.ts", "unit/processes.test.ts", [
    ["this.#inodes.has(pid) && this.#inodes.get(pid) === inode", "this.#inodes.has(pid)"],
  ]),
  {
    ...{
      file: "src/system/open-files.ts",
      from: 'if (error instanceof SystemError) return "unknown";',
      to: "",
    },
    ...{ test: "attack/user-mounts.test.ts", title: "has open keeps" },
  },
  ...within("src/system/processes.ts", "unit/processes.test.ts", [
    ["  limit = 1 << 20,", "  limit = 1 << 16,"],
    ['if ((THREADS.exec(status)?.[1] ?? "1") === "1") return uids;', "return uids;"],
  ]),
  ...within("src/system/long-status.ts", "unit/processes.test.ts", [
    ["  if (text.length < LONG) return text;\n", ""],
    [
      "if (!isSpent(uids) || isEnding(uids)) return text;",
      "if (!isSpent(uids) || ending !== undefined) return text;",
    ],
    ["text.length >= LONG && isEnding", "isEnding"],
    ["isEnding(uids) && isSpent(uids);", "isEnding(uids);"],
    ["    ending = before;\n", ""],
  ]),
  ...within("ffi/waiting.ts", "unit/processes.test.ts", [
    ["if (depth++ > 0) return;", "depth++;"],
    ["if (--depth > 0) return;", "depth--;"],
  ]),
  ...within("src/system/in-call.ts", "unit/processes.test.ts", [
    ['if (call.startsWith("running")) {', "if (false) {"],
    ["&& /^State:\\tD/m.test(status())", ""],
    ["look() ?? onProcessor(Number(fieldsOf(proc, thread)[PROCESSOR]), look)", "look()"],
    ["(STUCK.has(number) && /^State", "(false && /^State"],
  ]),
  ...within("src/system/open-files.ts", "unit/processes.test.ts", [
    ["Number(count ?? 0) > 0", "false"],
    ['if (isErrno(error, "ENAMETOOLONG")) return NAMELESS;', ""],
  ]),
  ...within("src/system/holders.ts", "unit/processes.test.ts", [
    [
      "=== 1) this.#open.add(holder.uids, names.length);",
      "=== 1) this.#open.add(new Set([`${holder.pid}`]), names.length);",
    ],
    ["const uids = atEnd ?? uidsOf(", "const uids = uidsOf("],
    ["this.#shuffle(holder, thread, open);", ""],
    ["else if (uid !== undefined) this.note(uid, holder, { proc, path });", ""],
    [" && timeOutside(this.proc, thread) >= outside + OUTSIDE", " && false"],
    [">= outside + OUTSIDE", "> -1"],
    ["    this.#doubt(holder, TOO_MUCH);\n    return [];", "    return [];"],
    ["times === LOOKS || ", "looks === 5000 || "],
    [" || looks === MOST_LOOKS", ""],
    ["for (const pid of out) this.#examine(pid);", ""],
    ["if (times > MOST_TIMES)", "if (false)"],
    ["for (const { holder } of busy) this.#doubt(holder, `others that ${ENDING}`);", ""],
  ]),
  ...within("src/system/holders.ts", SET_IDS, [
    [
      "const { holder, thread, outside } = one;",
      "Bun.sleepSync(PAUSE);\n      const { holder, thread, outside } = one;",
    ],
    ["    stopIfInterrupted(this.stop);\n    Bun", "    Bun"],
  ]),
  ...within("src/users/sessions.ts", "unit/processes.test.ts", [
    ['uids.has("0") || !isWhole(one)', "!isWhole(one)"],
    ["uid >= first && ", ""],
    ["all.length > most || ", "true || "],
  ]),
  ...begun("is removed again", "src/declaration/creating.ts", [
    ["kept.push(...homeWithoutAccount(one));", ""],
  ]),
  ...begun("still at work", "src/jail/record/jail-lock.ts", [['accounts.take(["accounts"]);', ""]]),
  ...begun("still at work", "src/system/account-lock.ts", [["held === undefined ? [] : [held]", "[]"]]),
  ...begun("moves before", "src/declaration/follow-move.ts", [
    ["one.createdHome && homeIn(one.createdHome)", "one.createdHome"],
    ["users, creating, kept: [", "users, kept: ["],
  ]),
  ...begun("home that appears", "src/declaration/carry-out/user.ts", [
    ["if (!directory && isCreated) requireHome(declared, means);", ""],
  ]),
  {
    ...{
      file: "src/populate/record/record.ts",
      from: "recordRequest(manifest, asked);\n      saveManifest(manifest);",
      to: ";",
    },
    ...{ test: "e2e/apply-killed.test.ts", title: "files: killed at each linkat" },
  },
  {
    ...{
      file: "src/jail/record/recover.ts",
      from: "if (!isAsRecorded(entry, found.stat, target)) return undefined;",
      to: "",
    },
    ...{ test: "unit/recover.test.ts", title: "is not the jail's" },
  },
  ...begun("looked at only", "src/declaration/memory.ts", [
    ["if (this.#kept.length > this.#written.kept.length) this.#tidy();", "this.#tidy();"],
  ]),
  ...within("src/declaration/follow-move.ts", MOVES, [
    ["isCreated ? move.to : createdHome", "createdHome"],
    ["split !== undefined && livesIn(from, home) ?", "false ?"],
    ["const jail = now(user.jail);", "const jail = user.jail;"],
    ["const path = now(jail.path);", "const path = jail.path;"],
    ["return { ...withLeft(user, here), jail,", "return { ...user, jail,"],
  ]),
  ...within("src/jails/delete-plan.ts", MOVES, [
    [
      "requireNotMoved(jail);\n  if (seen !== undefined) requireDeletable",
      "if (seen !== undefined) requireDeletable",
    ],
  ]),
  ...within("src/declaration/compare/former-jails.ts", "e2e/apply-others-mounts.test.ts", [
    ["requireNoOthersMounts(jail, first, homes);", ";"],
    ["requireNoOthersMounts(jail, first, homes);", "requireNoOthersMounts(jail, first);"],
  ]),
  ...within("src/system/exchange.ts", "e2e/apply-others-mounts.test.ts", [
    [" && child.mountId === directory.mountId", ""],
  ]),
  ...within("src/jails/others-mounts.ts", "e2e/apply-others-mounts.test.ts", [
    ["mount.isOnlyHere && !isEmpty(mount, goes)", "false"],
    ['`${isBefore ? first : ""}${unmount', "`${unmount"],
    ["if (inner.some((jail) => below(path, jail) !== undefined)) return [];", ""],
  ]),
  ...within("src/jails/whose-files.ts", STAYS, [
    ["homes.some((home) => below(path, home) !== undefined)", "homes.length > 0"],
  ]),
  ...within("src/declaration/compare/former-names.ts", COMPARE, [
    ["if (!prune) return { sections: [], files: [] };", ""],
    ["(once?.files ?? []).filter", "[...state.files].filter"],
  ]),
  ...within("src/users/prepare.ts", "e2e/apply-killed.test.ts", [
    ["if (!isDirectorys && isToBe() && isVacant(root, home))", "if (false)"],
  ]),
  ...within("src/declaration/compare/jail.ts", COMPARE, [
    ["live.length > 0 && !this.#has", "live.length < 0 && !this.#has"],
    ["prune ? former : []", "former"],
    ["this.asked.prune && this.asked.once?.[key] === true", "this.asked.prune"],
    ["if (isSome && brings(rest) === false) this", "if (isSome) this"],
    ["else if (!(without || this.#gone) && brings", "else if (!this.#gone && brings"],
    ["if (!is && !isBrought && brings(rest) === true)", "if (!is && !isBrought)"],
  ]),
  ...within("src/declaration/compare/open-jails.ts", "e2e/apply-scale.test.ts", [
    ["if (before !== undefined) return before;", ""],
  ]),
  ...within("src/declaration/compare/former-names.ts", "e2e/apply-fstab.test.ts", [
    ["&& !isLeft(directory)", ""],
  ]),
  ...within("src/declaration/compare/jail.ts", "e2e/apply-fstab.test.ts", [
    ["comesWith(left, this.asked.once?.live ?? [])", "left"],
    [" + this.#leftGo.length > 0", " > 0"],
  ]),
  ...within("src/update/remove-extras.ts", "e2e/apply-fstab.test.ts", [
    ["return count > 0;\n    try", "return count > 0;\n    if (count > 0) return true;\n    try"],
  ]),
  ...within("src/update/extras.ts", OFF, [
    [' && !isRefused(content, "proc")', ""],
    [' && !isRefused(content, "log-socket")', ""],
  ]),
  ...within("src/populate/record/record.ts", OFF, [
    ['if (needProc) setRefused(manifest, "proc", false);', ""],
  ]),
  ...within("src/declaration/compare/user.ts", COMPARE, [
    ["if (account.uid === 0)", "if (false)"],
    ["if (uid !== undefined && account.uid !== uid)", "if (false)"],
  ]),
  ...within("src/declaration/compare/account-place.ts", COMPARE, [
    ["if (there === undefined || there === jail)", "if (true)"],
  ]),
  ...within("src/declaration/compare/user.ts", COMPARE, [
    ["if (!declared.directory && !state.local)", "if (false)"],
    ["!sameKeys(policy, wantedPolicy)", "false"],
  ]),
  ...within("src/declaration/compare/look-policy.ts", "e2e/apply.test.ts", [
    ['...found.others.map((key) => [key, ""] as const)', ""],
  ]),
  ...within("src/declaration/compare/look-user.ts", "e2e/apply-leaves.test.ts", [
    [" ?? newFault(declared, account, machine);", ";"],
  ]),
  ...within("src/declaration/compare/look-user.ts", "e2e/apply.test.ts", [
    ["there === undefined && account.uid !== 0 ? hostHomeFault(account, jail) : undefined", "undefined"],
  ]),
  ...within("src/declaration/compare/host-home.ts", "e2e/home-of-another.test.ts", [
    ["along === undefined ? undefined", "true ? undefined"],
    ["below(normalPath(home), jail) === undefined", "true"],
  ]),
  ...within("src/users/groups.ts", "e2e/group-numbers.test.ts", [
    ["if (!isNumber(word)) return", "if (!isNumber(word) || ask.groupByName(word)) return"],
    ["Number(name) === gid) return undefined;", "true) return undefined;"],
  ]),
  ...within("src/check/collect.ts", "e2e/nested-jails.test.ts", [
    ["if (!inner.isKnown(where, stat)) return false;", "return false;"],
    ["if (inner.isWhole(where, stat)) return true;", "return true;"],
    ["return !isOwn && ", "return false && "],
  ]),
  ...within("src/check/inner-jails.ts", "e2e/nested-jails.test.ts", [
    ["|| jailFindings(root).length > 0", ""],
    ["return passwd !== undefined && isRegular(passwd.stat);", "return true;"],
    [" || damaged.some(({ id }) => isRecordOf(id, path))", ""],
    ["...(ini?.sections ?? []).map(({ name }) => plainPath(name)),", ""],
  ]),
  ...within("src/jail/record/registry.ts", "e2e/nested-jails.test.ts", [
    ["readIdentity(tree, REGISTRY, idFor(path))?.path === path,", "false,"],
  ]),
  ...within("src/declaration/gather-user.ts", "e2e/export-declaration.test.ts", [
    ["    if (unread !== undefined) {", "    if (unread === null) {"],
  ]),
  ...within("src/declaration/once.ts", "e2e/apply-second-keys.test.ts", [
    ["fault === undefined ? keysOf(text, sums) : sums;", "keysOf(text, sums);"],
  ]),
  ...within("src/declaration/carry-out/takes.ts", "e2e/apply-second-keys.test.ts", [
    ["  requireNoneBeside(place);\n  return count;", "  return count;"],
    ['  throw new JailkitError("keys-not-found", 1, NOT_FOUND);\n', ""],
    ["              requireNoneBeside(place);\n            };", "            };"],
  ]),
  ...within("src/declaration/compare/look-keys.ts", "e2e/apply-second-keys.test.ts", [
    ["(keys.length > 0 ? own?.fault : undefined)", "undefined"],
  ]),
  ...within("src/declaration/compare/user.ts", "e2e/apply-second-keys.test.ts", [
    ["homeFault ?? besideFault ?? noShadow;", "homeFault ?? noShadow;"],
  ]),
  ...within("src/declaration/once-of.ts", "e2e/apply-second-keys.test.ts", [
    ["keys: [...now.keys, ...former]", "keys: now.keys"],
  ]),
  ...within("src/declaration/carry-out/take-out.ts", "e2e/apply-second-keys.test.ts", [
    ["if (once.keys.length > 0) removeFrom(", "if (once.keys.length < 0) removeFrom("],
  ]),
  ...within("src/declaration/carry-out/lose.ts", "e2e/apply-second-keys.test.ts", [
    [" && whatRuns(account.uid) === undefined) taken();", ") taken();"],
    ["if (count > 0 && whatRuns", "if (whatRuns"],
  ]),
  ...within("src/declaration/compare/taken-out.ts", "e2e/apply-second-keys.test.ts", [
    ["return isEnded && jailOfHome", "return !isEnded && jailOfHome"],
  ]),
  ...within("src/declaration/carry-out/carry-out.ts", "e2e/apply-second-keys.test.ts", [
    ["if (!mayPutBack(change)) memory", "memory"],
  ]),
  ...within("src/users/key-blob.ts", "unit/key-lines.test.ts", [
    ['if (type === "ssh-rsa") return asNumber(value);', ""],
    ["(exact ? name : (ALIASES.get(name) ?? name))", "name"],
    ["typeNamed(name, false) ?? SHORT", "typeNamed(name, true) ?? SHORT"],
    [" ?? SHORT_NAMES.get(name.toLowerCase())", ""],
    ['(type.includes("ecdsa") ? 1 : 0) ? value', "0 ? value"],
    ["bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes", "bytes"],
    ["(rest[0] ?? 0) < 0x80 ? rest", "true ? rest"],
  ]),
  ...within("src/users/key-text.ts", "unit/key-lines.test.ts", [
    ["const even = evenLines(text);", "const even = text;"],
    ["place.sure ?? perhapsIn(even, place, key, { index, blob });", "place.sure;"],
    ["?.some(({ isSure }) => isSure) === true", " !== undefined"],
    ["if (isComment || !isWord)", "if (!isWord)"],
    ["if (isComment || !isWord)", "if (isComment)"],
    ["place === undefined || place.end < index", "true"],
  ]),
  ...within("src/users/key-text.ts", "e2e/apply.test.ts", [["one.options === there.options", "true"]]),
  ...within("src/declaration/compare/look-keys.ts", "e2e/apply-hostile.test.ts", [
    [
      "const [declared, , , , once] = args;",
      "if (error) throw error;\n    const [declared, , , , once] = args;",
    ],
  ]),
  ...within("src/declaration/compare/look-keys.ts", UNREAD_KEYS, [
    ["return { ...hidden, fault:", "return { ...NO_KEYS, fault:"],
    ["hidden.former.length > 0 ? notTaken(error) : error", "error"],
  ]),
  ...within("src/users/declared-keys.ts", UNREAD_KEYS, [["throw notTaken(error);", "throw error;"]]),
  ...within("src/declaration/compare/leaving.ts", UNREAD_KEYS, [
    ["return why && stays(faultText(why));", "return undefined;"],
  ]),
  ...within("src/users/policy.ts", "e2e/apply.test.ts", [
    ["if (own === undefined || own.file === hostPath(root, POLICY_FILE)) return;", "return;"],
  ]),
  ...within("src/declaration/compare/look-user.ts", FORESEES, [
    ["requireSafePlace(root, path, otherHome(account, root, path));", ";"],
  ]),
  ...within("src/declaration/compare/machine.ts", "e2e/apply.test.ts", [
    ["if (other === undefined) return;", "return;"],
  ]),
  ...within("src/declaration/once.ts", MOVES, [
    ["limited: true, policy: before.policy, otherPolicy", "limited: true, policy: false, otherPolicy"],
    ["const otherPolicy = policiesOf(once).includes(false);", "const otherPolicy = false;"],
  ]),
  ...within("src/declaration/compare/look.ts", "e2e/apply.test.ts", [
    ["const fault = machine.bootFaultOf(root.path, one);", "const fault = undefined;"],
  ]),
  ...within("src/declaration/beside.ts", "e2e/apply-beside.test.ts", [
    ["once.logSocket && beside.logSocket !== true", "once.logSocket"],
    ["once.policy && lacksRights(once.limited)", "once.policy"],
    ["missingIn(once.groups, groups)", "once.groups"],
    [" && mine !== other", " && false"],
  ]),
  ...within("src/populate/open-jail.ts", FORESEES, [
    ["  requireFileSystem(above, 1);\n", ""],
    ["  if (held !== undefined) throw held;\n", ""],
  ]),
  ...within("src/jail/fs/host-directories.ts", FORESEES, [["  requireFileSystem(root, exitStatus);\n", ""]]),
  ...within("src/declaration/compare/fillable.ts", FORESEES, [
    ["    ...unknown.map((name) => noSuchSection(name, known ?? [], SECTIONS_FILE)),\n", ""],
    ["    ...missing.map(missingFile),\n", ""],
    ['if (those("create", "log-socket").length > 0)', "if (false)"],
    ['if (those("create", "proc").length > 0)', "if (false)"],
  ]),
  ...within("src/declaration/compare/jail.ts", OFF, [
    ["if (isSome && brings(rest)", "if (is && brings(rest)"],
    ['is || (what === "proc" && this.state.someProc)', "is"],
  ]),
  ...within("src/declaration/compare/look.ts", OFF, [
    ["someProc: machine.mountsProc(jail)", "someProc: false"],
  ]),
  ...within("src/declaration/compare/foresee-jail.ts", LOST_SHELL, [
    ["root !== undefined && removed.length + leaves.length > 0;", "false;"],
  ]),
  ...within("src/declaration/compare/going.ts", LOST_SHELL, [
    ["foreseeRemovals(root, added,", "foreseeRemovals(root, [],"],
  ]),
  ...within("src/declaration/compare/foresee-jail.ts", LOST_SHELL, [
    ["goes(shell) && !isLimitedShell(shell)", "goes(shell)"],
  ]),
  ...within("src/declaration/compare/keeping-shells.ts", LOST_SHELL, [
    ["if (first === undefined) return work;", "if (Date.now() > 0) return work;"],
    ["fault !== undefined && isTaken ? answered(planned) : work", "work"],
    [".filter(({ what }) => !HOLDS_SHELLS.includes(what))", ""],
  ]),
  ...within("src/jails/users-moved.ts", MOVED_BACK, [
    [" && uids.get(name) === passwdByName(name)?.uid", ""],
    [" && lookUp(root, home)?.stat.uid === uid", ""],
    ["uids.size === users.length && ", ""],
    ["!inhabited.has(place) && ", ""],
  ]),
  ...within("src/jail/record/others-users.ts", EXCHANGED_JAILS, [
    ["whose !== undefined && this.#whoseIn(whose.jail)?.jail === path ? whose : undefined", "whose"],
    ["if (theirs.some((one) => one.jail !== jail)) return undefined;", ""],
    ["account.uid === uid && ", ""],
    [" && !isOwn", ""],
    ["!isOwn && lookUp(root, home)?.stat.uid === uid", "!isOwn"],
  ]),
  ...within("src/jail/record/displaced.ts", EXCHANGED_JAILS, [
    ["this.#back(path) ?? this.#byUsers(path)", "this.#back(path)"],
  ]),
  ...within("src/jail/record/former-places.ts", "e2e/apply-back-at-former-path.test.ts", [
    ["isOthers && !homes.isAll ? []", "isOthers ? []"],
    ["last.isAll && ", ""],
    ["this.asked.isKnown(at) || mayBeDeclared(at)", "this.asked.isKnown(at)"],
  ]),
  ...within("src/system/name-services.ts", "e2e/no-files-service.test.ts", [
    ["reply.entry === undefined && isUnread(source, key)", "false"],
  ]),
  ...within("src/jails/missing.ts", MOVED_BACK, [
    ["(content === undefined ? whereUsersAre(path, users) : undefined)", "undefined"],
  ]),
  ...within("src/declaration/compare/absent.ts", MOVED_BACK, [
    [" ?? followedBy(jail, whereUsersAre(jail, users))", ""],
  ]),
  ...within("src/declaration/compare/former.ts", MOVED_BACK, [
    [" || machine.isMovedTo(jail, one.jail)", ""],
    [".filter(({ path }) => !machine.hasMovedTo(path))", ""],
  ]),
  ...within("src/profile/sections.ts", LOST_SECTIONS, [
    ["if (unknown.length === 0) return undefined;", ""],
    ["if (!isThere) return", "if (isThere) return"],
    ["unknown.length < declared.size || ", ""],
  ]),
  ...within("src/declaration/list-fixes.ts", LOST_SECTIONS, [["    leaves ? {", "    true ? {"]]),
  ...within("src/declaration/list-fixes.ts", LOST_FILES, [
    ["!leaves || (value", "(value"],
    [' || (value.includes("/") && isBare(directoryOf(value)))', ""],
    ["isEmptyDirectory)) !== false", "isEmptyDirectory)) === undefined"],
  ]),
  ...within("src/declaration/compare/fillable.ts", LOST_SECTIONS, [
    ['lost !== undefined && filling.some(({ what }) => what === "sections")', "false"],
  ]),
  ...within("src/declaration/compare/compare.ts", LOST_SECTIONS, [
    ["[...gone.faults, ...lostSectionsIn(declaration, machine)]", "gone.faults"],
  ]),
  ...within("src/declaration/machine.ts", LOST_SECTIONS, [
    ["const isLost = reportLostSections(subjects, context);", "const isLost = false;"],
  ]),
  ...within("src/update/foresee-removal.ts", LOST_SHELL, [
    ["remaining = parts.remaining;", ""],
    ["    if (leadsToGone(root, next, gone)) return true;\n", ""],
  ]),
  ...within("src/update/foresee-removal.ts", PRUNE_RIGHTS, [
    ["!stays.has(path) && ", ""],
    ["!isShown(path) && ", ""],
    ["place === LOG_SOCKET || losesPlace(place)", "true"],
    ["...unusedSockets(sockets, recipes),", ""],
    ['...(ends.proc ? ["/proc"] : []),', ""],
  ]),
  ...within("src/declaration/compare/foresee-jail.ts", PRUNE_RIGHTS, [
    ["(answered(() => planned(work, means)) ?? work)", "work"],
  ]),
  ...within("src/lint/policies.ts", PRUNE_RIGHTS, [["leftOut: [...leftOut, ...view.leftOut]", ""]]),
  ...within("src/declaration/compare/foresee-jail.ts", FORESEES, [
    ["if (isOther)", "if (false)"],
    ["!isPassedOver(one) || named.has(one.path)", "!isPassedOver(one)"],
    ["!isPassedOver(one) || named.has(one.path)", "named.has(one.path)"],
    ["if (first !== undefined)", "if (false)"],
    ['if (!accountFiles && !has("/etc/passwd"))', "if (false)"],
    ["&& !comes(shell)) throw", "&& false) throw"],
    ["&& !isProgramHere(shell)) throw", "&& false) throw"],
    ["known !== undefined && isElsewhere(path, known)", "known !== undefined"],
    ["if (isLike) requirePlaceFor(path, known);", ""],
  ]),
  ...within("src/lint/findings.ts", "e2e/apply-findings.test.ts", [
    ['if (by === "jail") return isOwn(name);', 'if (by === "jail") return true;'],
    ['if (by === "home") return isOwn(', 'if (by === "home") return true || isOwn('],
    ["isOwn(entry.value) && !isLoose(entry.value)", "isOwn(entry.value)"],
    ['return !item.startsWith("/") || isOwn(item);', "return true;"],
    ["answered(() => isSectionOfRoot(item, isOwn)) ?? false", "true"],
  ]),
  ...within("src/lint/contents.ts", "e2e/apply-findings.test.ts", [
    ["return isOwn(path) && glob(path)", "return glob(path)"],
    ['|| !this.#lacks(path, "sections", value)) continue;', ") continue;"],
  ]),
  ...within("src/lint/places.ts", "e2e/apply-findings.test.ts", [
    ["(policy !== undefined && sameKeys(policy, wantedPolicy))", "false"],
  ]),
  ...within("src/declaration/compare/foresee-rest.ts", "e2e/apply-left-rest.test.ts", [
    ["one?.isTold === true && ", ""],
  ]),
  ...within("src/declaration/compare/foresee-user.ts", "e2e/apply-left-rest.test.ts", [
    ["if (move) requireNoRestOf(places, this.machine.leftMoves());", ""],
  ]),
  ...within("src/declaration/compare/leaving.ts", "e2e/apply-left-rest.test.ts", [
    ["requireNoRestOf([hostPath(root, home), normalPath(run.home ?? home)], this.machine.leftMoves());", ""],
  ]),
  ...within("src/declaration/compare/live.ts", FORESEES, [["requireLivePlace(root, changes, liveOf);", ""]]),
  ...within("src/declaration/compare/foresee-user.ts", FORESEES, [
    ["if (this.about.isCleared) {", "if (false) {"],
    [
      "if (root !== undefined) this.#requireJail(root, declared);",
      "if (root !== undefined && !this.about.isCleared) this.#requireJail(root, declared);",
    ],
    ["if (!this.about.isFilled) requireReadyJail(root, DECLARED);", ""],
    ['requireNotReadOnly(root, "/etc", root.path);', ""],
    ["requireShell(root, shell, DECLARED);\n    this.#shells", "this.#shells"],
    ["if (!isLimitedShell(shell)) requireOwnDropIn(name);", "if (!isLimitedShell(shell)) return;"],
    ["else if (root !== undefined) requireReplaceable", "else if (false) requireReplaceable"],
    ["requireOwnHome(account, declared, this.machine.laterByUid),", "undefined,"],
    ['if (isOf("account", "home")) this.#requireOutside(declared);', ""],
    ["(root !== undefined && lookUp(root, above) !== undefined)", "false"],
    ["prepareJail(account, root, { ...common, host, access, move: false }, run)", "undefined"],
    ["return requireLeaving(account, jail, { shell, access, move }, this.machine);", "return undefined;"],
    [
      "withTree((host) => jailUser(account, root, { ...common, host, access, move, seen: then }, run)),",
      "undefined,",
    ],
    ['error.code !== "home-aside"', "true"],
  ]),
  ...titled("no account gets the uid", "src/system/login-defs.ts", [
    ["if (usual === undefined || !reserved.has(usual)) return undefined;", "if (usual) return undefined;"],
  ]),
  ...within("src/declaration/compare/returning.ts", LEFT, [
    ["newUid(user, before, () => undefined)", "user.uid"],
  ]),
  ...within("src/declaration/compare/compare.ts", LEAVES, [
    ["machine.frees(one.frees, one.once.name, one.stays);", ";"],
  ]),
  ...within("src/declaration/compare/uid-fault.ts", LEAVES, [["const why = fault ?? ", "const why = "]]),
  ...titled("also in the run that removes it", "src/declaration/compare/foresee-user.ts", [
    ["if (root !== undefined) this.#requireShell(root, declared.shell);", ""],
  ]),
  ...titled("was emptied is one of copies", "src/declaration/compare/jail.ts", [
    ["asked.prune && !this.#gone", "asked.prune"],
  ]),
  ...within("src/jail/fs/home-move.ts", FORESEES, [
    ["if (inside && statIfPresent", "if (false && statIfPresent"],
  ]),
  ...within("ffi/process.ts", TERMINATE, [
    ["check(libc.setresuid(spare, uid, 0)", "check(libc.setresuid(uid, uid, 0)"],
    ["  } finally {\n    becomeUser(0);\n  }", "  } finally {\n  }"],
  ]),
  ...within("src/tools/jailkit-terminate-user.ts", TERMINATE, [["({ uid }) => uid === 0", "() => false"]]),
  ...within("src/system/sshd/unauthenticated.ts", "e2e/unauthenticated.test.ts", [
    ['realUid !== 0 && realUid !== separation && !title.endsWith("]")', "false"],
    ["sharesRoot(proc, pid) ??", "true ||"],
    ["uids.includes(uid)", "false"],
    ["uids[0] !== undefined", "false"],
    ['"another\'s" : "unclear"', '"another\'s" : "another\'s"'],
    ["[...now.named, ...now.unclear]", "now.named"],
  ]),
  ...within("src/users/change-login.ts", "e2e/unauthenticated.test.ts", [
    ["!isSame || change.groups.length > 0", "!isSame"],
    ["!isChanged || end(", "true || end("],
    ["  if (isSame || stays) return;\n", "  return;\n"],
  ]),
  ...within("src/declaration/carry-out/takes.ts", "e2e/unauthenticated.test.ts", [
    ["return steps.length + errors.length > before", "return false"],
  ]),
  ...within("src/users/change-login.ts", DUE, [
    ["const note = noteLogin(user);", "const note = undefined;"],
    ["if (note === undefined) end();", ""],
    ["if (isDone) note?.remove();", "if (false) note?.remove();"],
  ]),
  ...within("src/system/account-tools.ts", "e2e/usermod-fails.test.ts", [
    ["if (other !== undefined) answered(() =>", "if (false) answered(() =>"],
    ["for (const group of gained) answered(() => leaveGroup(name, group.name));", ""],
    ["if (left.other === undefined && left.gained.length === 0) return;", "return;"],
  ]),
  ...within("src/users/own-home.ts", ELSEWHERE, [
    ["[recorded() ?? [], split.home]", "[split.home]"],
    ["stat.uid === user.uid;", "true;"],
    ["mountRemedy(hostPath(root, place)) !== undefined", "false"],
  ]),
  ...within("src/users/prepare.ts", ELSEWHERE, [
    ["    elsewhere === undefined &&\n    (isMissing()", "    (isMissing()"],
  ]),
  ...within("src/declaration/compare/look-user.ts", ELSEWHERE, [["left?.isAside === false", "false"]]),
  ...within("src/explain/home-fault.ts", ELSEWHERE, [["if (elsewhere !== undefined) {", "if (false) {"]]),
  ...within("src/check/accounts.ts", ELSEWHERE, [["if (elsewhere !== undefined) {", "if (false) {"]]),
  ...within("src/enter/login/host-checks.ts", ELSEWHERE, [["facts.isHomeOutside()", "false"]]),
  ...within("src/users/terminate.ts", DUE, [["note ??= noteLogin(account);", ""]]),
  ...within("src/jail/fs/set-ids.ts", SET_IDS, [
    ["chmodPath(fd, stat.mode & 0o7777 & ~bits);", ""],
    ["stat.nlink === 0 && ", ""],
    ["stat.ctime >= since", "false"],
    ["taken.has(inode) ||", ""],
  ]),
  ...within("src/users/leaver.ts", SET_GIDS, [
    ["&& !isMember(ids) ? ITS_GROUP : 0", "? ITS_GROUP : 0"],
    ["&& !isMember(ids) ? ITS_GROUP : 0", "&& !isMember(ids) ? BOTH : 0"],
    ["...groupsOf(user), ...lost]", "...groupsOf(user)]"],
  ]),
  ...within("src/declaration/carry-out/remove.ts", "e2e/apply-left-ipc.test.ts", [
    ["if (isNobodys(user.uid)) ", ""],
  ]),
  ...within("ffi/guard/keys.c", "e2e/apply-left-ipc.test.ts", [
    [": keyctl(KEYCTL_INVALIDATE, ring, 0, 0);", ": 0;"],
    ["return persistent < 0 ? persistent : had", "return persistent < 0 ? 0 : had"],
    ["if (had_session < 0) return had_session;", "if (had_session < 0) return 0;"],
    ["if (removes) keyctl(KEYCTL_SETPERM, ring, RIGHTS, 0);", ""],
    ["KEY_SPEC_THREAD_KEYRING, 1, 0)", "KEY_SPEC_THREAD_KEYRING, 0, 0)"],
    ["if (thread == -EPERM || thread == -ENOSYS) return 0;", ""],
  ]),
  ...within("ffi/guard/keys.c", "e2e/apply-keyrings.test.ts", [
    ["sys5(SYS_ppoll, &ready, 1, time, 0, 8) == 1 &&", ""],
    ["sizeof(answer)) == sizeof(answer)", "sizeof(answer)) >= 0"],
    ["sys2(SYS_kill, child, SIGKILL);", ""],
    ["sys3(SYS_close_range, 0, ends[1] - 1, 0);", ""],
  ]),
  ...within("src/users/kernel-objects.ts", "e2e/apply-left-ipc.test.ts", [
    ["return fault && keysStayFor(uid, fault);", "return undefined;"],
  ]),
  ...within("src/users/kernel-objects.ts", "e2e/apply-keyrings.test.ts", [
    ['if (!isErrno(error, "ECANCELED"))', "if (true)"],
  ]),
  ...within("src/system/ipc.ts", "e2e/apply-left-ipc.test.ts", [
    ["log2 <= LARGEST_LOG2", "false"],
    ["isAll || creator === 0", "true"],
    [" || creator === 0", ""],
    ['if (isErrno(error, "EFBIG")) return undefined;', 'if (isErrno(error, "EFBIG")) return false;'],
  ]),
  ...within("src/system/open-files.ts", "e2e/apply-left-ipc.test.ts", [
    ['if (isErrno(error, "EFBIG")) return TOO_MUCH;', 'if (isErrno(error, "EFBIG")) return AN_IO_URING;'],
  ]),
  ...within("src/users/create-account.ts", "e2e/apply-left-ipc.test.ts", [
    ["removeKeysOfEarlier(user, run.done);", ""],
  ]),
  ...within("src/declaration/uids-in-jails.ts", "e2e/apply-left-ipc.test.ts", [
    [" || shut.getOrInsertComputed(uid, hasStaying)", ""],
  ]),
  ...within("src/declaration/uids-in-jails.ts", "e2e/apply-keyrings.test.ts", [["hasStayed(uid) || ", ""]]),
  ...within("src/users/kernel-objects.ts", "e2e/apply-keyrings.test.ts", [["stayed.add(uid);", ""]]),
  ...within("src/users/create-account.ts", "e2e/apply-keyrings.test.ts", [
    ["tries < MOST_UIDS", "false"],
    ["done: (line) => lines.push(line)", "done"],
  ]),
  ...within("src/users/leaver.ts", SET_IDS, [
    ["listed.has(other) && ", ""],
    ["inside.has(pid) || ", ""],
  ]),
  ...within("src/declaration/carry-out/remove.ts", SET_GIDS, [
    ["requireNoneKeeps(root, user, once.groups);", ""],
  ]),
  ...within("src/declaration/compare/running.ts", SET_GIDS, [[", ...borrowedOf(former, machine)", ""]]),
  ...within("src/users/borrowed-groups.ts", SET_GIDS, [
    ["if (one === undefined) return;", "if (one !== undefined) return;"],
    ["&& uid !== NOBODY", ""],
  ]),
  ...within("src/jail/fs/owned.ts", SET_IDS, [
    ["return !mountRestrictions(fd).setuid;", "return false;"],
    ["return !mountRestrictions(fd).setuid;", "return true;"],
  ]),
  ...within("src/users/set-ids.ts", "unit/set-ids.test.ts", [
    [
      "if (to.count++ < MOST_PATHS) to.paths.push(path());",
      "const text = path();\n  if (to.count++ < MOST_PATHS) to.paths.push(text);",
    ],
    ["quoted(shortPath(hostPath(root, path)))", "quoted(hostPath(root, path))"],
  ]),
  ...within("src/system/file-tables.ts", "unit/processes.test.ts", [
    ["shareFiles(tid, one.tid)", "true"],
    ["shareFiles(tid, one.tid)", "false"],
  ]),
  ...within("src/users/set-ids.ts", SET_IDS, [
    ["if (ends) requireNothingRuns(user);", ""],
    ["isClean = false;", ""],
    ["for (const place of away)", "for (const place of away.slice(away.length))"],
    ["takeFromOpen(root, user, counting, (pid) => took(() => pids.add(pid)));", ""],
    ["if (ofJail.length === 0) return;", "return;"],
    ["const working = ends ? undefined :", "const working = true ? undefined :"],
    ['        warn(busyText(root, user, advice("take it later")));\n', ""],
    ["error.code === CHANGES) return false;", "error.code === CHANGES) return true;"],
  ]),
  ...within("src/users/unjail.ts", SET_IDS, [
    ["again ? take : undefined", "undefined"],
    ["  take();\n", ""],
    ["    request.whenAlone?.(request.host, readLink(AT_FDCWD, `/proc/self/fd/${fd}`));\n", ""],
  ]),
  ...within("src/users/changes.ts", SET_IDS, [
    ["livesIn(path, user.home) && isLocalUser(user.name) ? undefined : user", "undefined"],
    ["if ((user ?? line)?.uid === 0) return undefined;", ""],
  ]),
  ...within("src/jail/fs/owned.ts", SET_IDS, [["    covered.push(name);\n", ""]]),
  ...within("src/declaration/carry-out/lose.ts", "e2e/apply-directory-gone.test.ts", [
    ["(now !== undefined && sameFile(behind, now))", "false"],
    ["    forgetKeys(root, line, once, said);\n", ""],
  ]),
  ...within("src/users/changes.ts", "e2e/apply-directory-gone.test.ts", [
    [" && isLocalUser(user.name)", ""],
    ["return line !== undefined && isNobodys(line.uid) ? line : undefined;", "return undefined;"],
    ["if (leaver !== undefined && dryRun)", "if (false)"],
  ]),
  ...within("src/declaration/carry-out/lose.ts", "e2e/apply-home-in-the-way.test.ts", [
    ["count === 0 && !keysTaken", "count === 0"],
  ]),
  ...within("src/declaration/carry-out/remove.ts", SET_IDS, [
    ["isDoubtful ? NOT_FORGOTTEN : () => taken(true)", "isDoubtful ? NOT_FORGOTTEN : taken"],
    ["  takeSetIds(root, user, { ends: true, isRemoved: true, groups: once.groups, say, warn });\n", ""],
  ]),
  ...within("src/users/due-logins.ts", DUE, [
    ["afterAccountTools(() => endedConnections(due))", "endedConnections(due)"],
    ["answered(() => continueStopped(due.stopped));", ""],
  ]),
  ...within("src/jail/fs/login-notes.ts", DUE, [
    ["trusted && stat.uid === 0 && (stat.mode & 0o077) === 0 ?", "true ?"],
    [
      "this.#fd = lockedFile(notes, this.#name, (fd) => void lockFile(fd, C.LOCK_EX));",
      "this.#fd = lockedFile(notes, this.#name, () => undefined);",
    ],
    ["due === undefined || end(due)", "due !== undefined && end(due)"],
  ]),
  ...within("src/tools/jk_jailuser.ts", DUE, [["dryRun ? [] : endDueLogins()", "[]"]]),
  ...within("src/tools/jk_addjailuser.ts", DUE, [
    ["if (!dryRun) for (const line of endDueLogins())", "for (const line of [])"],
  ]),
  ...within("src/tools/jailkit-delete.ts", DUE, [["if (!dryRun) due = endDueLogins();", ""]]),
  ...within("src/tools/jailkit-terminate-user.ts", DUE, [
    ["if (!dryRun) for (const line of endDueLogins())", "for (const line of [])"],
  ]),
  ...within("src/declaration/compare/leaving.ts", "e2e/apply-home-in-the-way.test.ts", [
    ["ends: fault !== undefined", "ends: false"],
  ]),
  ...within("src/declaration/compare/look-user.ts", "e2e/apply-home-in-the-way.test.ts", [
    [": hiddenKeys(declared, once)", ": NO_KEYS"],
  ]),
  ...within("src/declaration/carry-out/remove.ts", "e2e/apply-exchanged-homes.test.ts", [
    ["isDoubtful ? NOT_FORGOTTEN : () => taken(true)", "() => taken(true)"],
  ]),
  ...within("src/declaration/compare/look-user.ts", NAMES, [
    ["otherNameFault(declared, accounts.userByName(declared.name), isDeclared)", "undefined"],
  ]),
  ...within("src/declaration/machine-place.ts", NAMES, [["if (other !== undefined) return other;", ""]]),
  ...within("src/declaration/compare/other-name.ts", NAMES, [
    ["if (isDeclared(account.name))", "if (false)"],
  ]),
  ...within("src/users/changes.ts", NAMES, [
    ["requireOwnName(name, user);", "user;"],
    ["=== undefined) requireOwnName(run.name, found);", "=== undefined) void 0;"],
    ["if (readJailAccounts(root).userByName(run.name) === undefined) requireOwnName", "requireOwnName"],
  ]),
  ...within("src/users/new-account.ts", NAMES, [
    ["requireOwnName(name, passwdByName(name))", "passwdByName(name)"],
  ]),
  ...within("src/transfer/accounts.ts", NAMES, [["if (named !== undefined) return", "if (false) return"]]),
  ...within("src/users/jail-side.ts", "e2e/apply-directory.test.ts", [
    ["isOfOther(own, { name, gid }, groupByGid) ? [] : own.members", "own.members"],
    ["  if (isOfOther(accounts.groupByName(group.name), group, groupByGid)) return false;\n", ""],
    ["  if (other === undefined) return;\n", "  if (true) return;\n"],
  ]),
  ...within("src/users/plan.ts", "e2e/apply-directory.test.ts", [
    ["group === first || !isHidden(group)", "true"],
    ["if (first !== undefined) requireOwnGroupName", "if (false) requireOwnGroupName"],
  ]),
  ...within("src/declaration/compare/look-groups.ts", "e2e/apply-directory.test.ts", [
    [" && !isHidden(group)", ""],
    ["isHidden(group) || memberInside", "memberInside"],
  ]),
  ...within("src/users/jail-side.ts", NAMES, [["ifNamed(name, passwdByName(name))", "passwdByName(name)"]]),
  ...within("src/check/account-files.ts", NAMES, [
    ["ifNamed(name, host.userByName(name))", "host.userByName(name)"],
  ]),
  ...within("src/lint/world.ts", NAMES, [["own === name ? undefined : own", "undefined"]]),
  ...within("src/users/directory.ts", NAMES, [
    [
      "  const { home, shell } = change;\n",
      '  if (!change.home.includes("/./")) return `sss_override user-del ${operands(name)}`;\n  const { home, shell } = change;\n',
    ],
  ]),
  ...within("src/declaration/write.ts", "e2e/apply-directory.test.ts", [
    ['keeps.includes("home") ? null : user.home', "user.home"],
  ]),
  ...within("src/users/jail-side.ts", NAMES, [
    ['for (const { name } of groups) requireAccountName(name, "a group name");', ""],
  ]),
  ...within("src/users/prepare.ts", NAMES, [["requireLines(user, groups, root.path);", ""]]),
  ...within("src/declaration/compare/foresee-user.ts", NAMES, [
    ["if (root === undefined && directory) requireLines", "if (false) requireLines"],
  ]),
  ...within("src/declaration/report.ts", NAMES, [
    ['({ name }) => this.#states.get(nameOf({ of: "user", name })) !== "failed",', "() => true,"],
  ]),
  ...within("src/users/groups.ts", NAMES, [
    ["return isLocal ? `usermod -g users", "return true ? `usermod -g users"],
    ["isLocal || !found.includes(primary)", "true"],
  ]),
  ...within("src/lint/given.ts", NAMES, [[", ...rootGroups(user, lookedAt, accountsOf)", ""]]),
  ...within("src/users/plan.ts", NAMES, [["if (isDirectorys === true)", "if (false)"]]),
  ...within("src/declaration/compare/absent.ts", GONE_JAIL, [
    ["isMissing(jail) && lostJail(jail) === undefined &&", "isMissing(jail) &&"],
  ]),
  ...within("src/declaration/compare/leaving.ts", GONE_JAIL, [
    ["if (once.directory && this.#deleted", "if (false && this.#deleted"],
    ["return jails.has(jail) || before", "return true || before"],
  ]),
  ...within("src/declaration/carry-out/remove.ts", GONE_JAIL, [
    ["if (user !== undefined) forgetGroups(user, once, said);", ""],
    ["closeWithoutLine(jail, user, once, said);", ""],
    ["if (policiesOf(once).includes(false)) said.steps.push(...removeSettings(once.name));", ""],
    ["said.warnings.push(...staysNote(user, once));", ""],
  ]),
];
