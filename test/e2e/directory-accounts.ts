/** Accounts of a directory, with passwords. */
const USERS = [
  ["anna", 7001],
  ["berta", 7002],
  ["carla", 7003],
] as const;

/** The password of every account. */
export const PASSWORD = "open sesame";

const base = `dn: dc=example,dc=org
objectClass: top
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people
`;

const user = (name: string, uid: number) => `
dn: ${dnOf(name)}
objectClass: account
objectClass: posixAccount
uid: ${name}
cn: ${name}
uidNumber: ${uid}
gidNumber: ${uid}
homeDirectory: /home/${name}
loginShell: /bin/sh
userPassword: ${PASSWORD}

dn: cn=${name},dc=example,dc=org
objectClass: posixGroup
cn: ${name}
gidNumber: ${uid}
`;

const group = `
dn: cn=web,dc=example,dc=org
objectClass: posixGroup
cn: web
gidNumber: 7100
memberUid: anna
`;

/** The DN of an account. */
export function dnOf(name: string): string {
  return `uid=${name},ou=people,dc=example,dc=org`;
}

/** LDIF for slapadd(8). */
export const ACCOUNTS: string = base + USERS.map(([name, uid]) => user(name, uid)).join("") + group;
