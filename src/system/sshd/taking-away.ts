import type { ByteString } from "../../../ffi/bytes.ts";
import {
  type ConfigLine,
  type Criterion,
  deniesGroups,
  type GroupRule,
  groupsOfRules,
  type MatchedUser,
  namesUser,
} from "./match.ts";
import { matchesPattern } from "./settings.ts";

/**
 * The value of a setting that allows the least, whatever other blocks say of it. ForceCommand has none: it takes the place of a
 * key's own command, and `internal-sftp` enters no jail. Nor has ChrootDirectory, which leads to other files.
 */
const LEAST: ReadonlyMap<string, string> = new Map([
  ["allowagentforwarding", "no"],
  ["allowstreamlocalforwarding", "no"],
  ["allowtcpforwarding", "no"],
  ["disableforwarding", "yes"],
  ["gatewayports", "no"],
  ["gssapiauthentication", "no"],
  ["hostbasedauthentication", "no"],
  ["kbdinteractiveauthentication", "no"],
  ["kerberosauthentication", "no"],
  ["maxsessions", "0"],
  ["passwordauthentication", "no"],
  ["permitlisten", "none"],
  ["permitopen", "none"],
  ["permittty", "no"],
  ["permittunnel", "no"],
  ["permituserrc", "no"],
  ["pubkeyauthentication", "no"],
  ["refuseconnection", "yes"],
  ["x11forwarding", "no"],
]);

const CRITERIA = [
  ...["address", "all", "group", "host", "invalid-user", "localaddress", "localport", "rdomain", "user"],
  "version",
];

const isLeast = ({ keyword, words }: ConfigLine): boolean =>
  words.length === 1 && LEAST.get(keyword) === words[0]?.toLowerCase();

/** Whether a block may apply to somebody who is in such groups. */
const applies = (block: readonly Criterion[], user: MatchedUser): boolean =>
  block.every((one) => one.criterion !== "invalid-user" && namesUser(one, user) !== false);

/** Whether a list names the group, be it with `!`. */
const mentions = (list: readonly ByteString[], group: ByteString): boolean =>
  list.some((one) => matchesPattern(group, one.replace(/^!/, "")));

/** A line that may say something about any group, since sshd may read it in another way. */
export function isUnclear({ keyword, isOdd, block }: ConfigLine): boolean {
  if (keyword === "?") return true;
  if (isOdd && ["match", "include", "allowgroups", "denygroups"].includes(keyword)) return true;
  return block.some(({ criterion, argument }) => !CRITERIA.includes(criterion) || argument.startsWith("="));
}

/** Whether a line gives nothing to somebody who joins the group. */
function givesNothing(line: ConfigLine, group: ByteString): boolean {
  const { keyword, words, block } = line;
  if (keyword === "allowgroups" && mentions(words, group)) return false;
  const lists = block.flatMap(({ criterion, argument }) =>
    criterion === "group" ? [argument.split(",")] : [],
  );
  const own = lists.filter((list) => mentions(list, group));
  if (own.length === 0) return true;
  if (own.some((list) => list.some((one) => one.startsWith("!")))) return false;
  // In a block, it takes the place of the line outside of it.
  if (keyword === "denygroups") return deniesGroups(words)([group]);
  return keyword === "match" || isLeast(line);
}

/**
 * Those of some groups that certainly only take something away from an account when it joins them, and of which a server knows
 * that it does. `servers`: the lines of each. Pure.
 */
export function joinsThatTakeAway(
  servers: readonly (readonly ConfigLine[])[],
  { name, groups }: MatchedUser,
  some: readonly ByteString[],
): ByteString[] {
  // With some groups more, a block may apply that does not now.
  const ofUser = servers.map((lines) =>
    lines.filter(({ block }) =>
      applies(
        block.filter(({ criterion }) => criterion !== "group"),
        { name, groups },
      ),
    ),
  );
  if (ofUser.some((lines) => lines.some(isUnclear))) return [];
  const certain = some.filter((group) =>
    ofUser.every((lines) => lines.every((line) => givesNothing(line, group))),
  );
  const found = ofUser.flatMap((lines) => {
    const rules = lines.flatMap((line): GroupRule[] => {
      const isIn: GroupRule = (all) => applies(line.block, { name, groups: all });
      if (line.keyword === "denygroups") return [(all) => isIn(all) && deniesGroups(line.words)(all)];
      return isLeast(line) ? [isIn] : [];
    });
    return groupsOfRules(rules, [...groups, ...certain], certain);
  });
  return certain.filter((group) => found.includes(group));
}
