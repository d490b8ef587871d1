import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath, pathsDownTo } from "../../../ffi/paths.ts";
import { andMore, display, quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { didYouMean, sameNumbers, suggest } from "../../cli/suggest.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { noJailAt } from "../../jail/fs/no-jails.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { jailOfHome } from "../../system/separator.ts";
import type { Fault } from "../change.ts";
import type { Declaration, DeclaredJail, DeclaredPlace, DeclaredUser } from "../model.ts";
import { systemFault } from "../other-things.ts";
import { placeText } from "../place-of-fault.ts";
import { movedHere } from "./account-place.ts";
import { wantedLine } from "./intent.ts";
import type { JailState } from "./jail-state.ts";
import type { Machine } from "./machine.ts";
import { twinFaults } from "./twins.ts";

/** What is declared of a jail. */
export interface Declared {
  readonly declared: DeclaredJail | undefined;
  readonly users: readonly DeclaredUser[];
}

/** The fault of a jail whose users have not followed it: it may have come from another file system, or have no record here. */
function notFollowed(users: readonly DeclaredUser[], jail: ByteString, machine: Machine) {
  const places = users.flatMap(({ name, directory }) => {
    const home = directory ? undefined : answered(() => machine.accounts.userByName(name)?.home);
    // The accounts may have followed it, and the record not yet.
    return [jailOfHome(home ?? ""), machine.jailOnce(name)].filter((place) => place !== undefined);
  });
  return [...new Set(places)].flatMap((from) => (from === jail ? [] : (movedHere(from, jail) ?? [])))[0];
}

/** What is known of the place of a jail. */
export interface Place {
  /** As renamedJails. */
  readonly renamed: Fault | undefined;
  /** The declared jails. */
  readonly places: readonly ByteString[];
  /** As twinFaults. */
  readonly twin: string | undefined;
  /** The names of declared users by their homes, as this machine sees these. */
  readonly homes: ReadonlyMap<ByteString, ByteString>;
  /** Where a file declares the jail that this run does not apply. */
  readonly elsewhere: DeclaredPlace | undefined;
}

/** The places of jails among the declared ones. `others`: what files declare besides. */
export function placesOf({ jails, users }: Declaration, others: Declaration | undefined, machine: Machine) {
  const places = jails.map(({ path }) => path);
  const declared = new Set([...places, ...(others?.jails ?? []).map(({ path }) => path)]);
  const twinOf = twinFaults({ declared, known: machine.knownJails() }, machine.placeOf);
  const homes = new Map(users.map(({ name, jail, home }) => [jail + normalPath(home), name]));
  const elsewhere = new Map(others?.jails.map((one) => [one.path, one.place]));
  return (path: ByteString): Omit<Place, "renamed"> => ({
    ...{ places, homes },
    twin: twinOf(path),
    elsewhere: elsewhere.get(path),
  });
}

interface Found {
  readonly state: JailState;
  readonly root: JailRoot | undefined;
}

/** Whether it is told elsewhere what is wrong with a directory, or nothing is: the host's own are no jail at all. */
const isToldElsewhere = (root: JailRoot | undefined): boolean =>
  root === undefined ||
  noJailAt(root.top.stat) !== undefined ||
  lookUp(root, "/etc/passwd", { follow: true }) !== undefined;

/** Why nothing can be done in a jail: it cannot be used, has moved, or is neither declared nor known. */
export function placeFaultOf(
  path: ByteString,
  { declared, users }: Declared,
  machine: Machine,
  { state, root, renamed, places, twin, homes, elsewhere }: Place & Found,
): Fault | undefined {
  const about = { of: "jail", name: path, jail: path } as const;
  if (state.fault !== undefined) return { ...about, ...state.fault };
  const moved = root && notFollowed(users, path, machine);
  if (moved !== undefined) return { ...about, ...moved };
  if (renamed !== undefined) return renamed;
  if (twin !== undefined) return { ...about, code: "another-jail", message: `it ${twin}` };
  const isKnown = state.sections.size + state.files.size + state.live.size > 0 || machine.byJail.has(path);
  const ofSystem = isKnown ? undefined : root && systemFault(root);
  if (ofSystem !== undefined) {
    const message = `it ${ofSystem}: name a directory of its own, such as /srv/jail`;
    return { ...about, code: "holds-other-things", message };
  }
  const around = state.exists ? undefined : pathsDownTo(path).find((one) => homes.has(one));
  if (around !== undefined) {
    const whose = quoted(homes.get(around) ?? "");
    const message = `it would be in the home of ${whose}, who could exchange it: choose a place that is in no home`;
    return { ...about, code: "unsafe-jail", message };
  }
  if (declared !== undefined) return undefined;
  // One of before, perhaps, that has no record. In any other directory jk_init would make a jail of what is there.
  const isJail = () => isKnown || machine.knownJails().has(path) || isToldElsewhere(root);
  if (state.exists && isJail()) return undefined;
  const what = state.exists ? "it is no known jail" : "it does not exist";
  const [first, ...more] = users.map(({ name }) => display(name));
  const who = `${first}${andMore(more.length)}`;
  if (elsewhere !== undefined) {
    const remedy: Remedy = `jailkit apply ${operands(elsewhere.file)}`;
    const message = `${what}, and users are declared in it (${who}); ${placeText(elsewhere)} declares it: apply that first: ${remedy}`;
    return { ...about, code: "no-such-jail", message, remedy };
  }
  const likely = sameNumbers(path, places);
  const near = suggest(path, likely);
  const header = `[jail ${display(path)}]`;
  const message = `${what}, and no section ${header} declares it; users are declared in it (${who}): declare it with ${header}, or name another one${didYouMean(path, likely)}`;
  const [user] = users;
  const isOne = near !== undefined && user !== undefined && users.length === 1;
  const remedy = isOne ? wantedLine(user, "jail", near) : undefined;
  return { ...about, code: "no-such-jail", message, remedy };
}
