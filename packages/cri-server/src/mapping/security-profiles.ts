import type { AppArmorProfile, SeccompProfile } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { invalid } from './refusals.js';

const { SecurityProfile_ProfileType: ProfileType } = cri;

/** Before the name of a profile of the host, in the old fields for profiles and, with some clients, in the new ones. */
const LOCALHOST_PREFIX = 'localhost/';

type Profile =
  | { readonly type: 'RuntimeDefault' | 'Unconfined' }
  | { readonly type: 'Localhost'; readonly ref: string };

/** Fields of one kind of profile: the message, and the text that came before it and is read when the message is absent. */
interface ProfileFields {
  readonly profile: cri.SecurityProfile | undefined;
  readonly text: string;
}

/**
 * Without a word it is `Unconfined`, as containerd has it: what is the default of a node is decided by its kubelet.
 * @param what whose profile, for messages
 * @throws PodwrightError kind `invalid-argument`
 */
export function toSeccomp(fields: ProfileFields, what: string): SeccompProfile {
  const profile = toProfile(fields, `seccomp profile of ${what}`) ?? { type: 'Unconfined' };
  if (profile.type !== 'Localhost') return profile;
  if (!profile.ref.startsWith('/')) {
    throw invalid(
      `The seccomp profile of ${what}, "${profile.ref}", has to be the absolute path of a file on the host.`,
    );
  }
  return { type: 'Localhost', localhostPath: profile.ref };
}

/** Absent: the backend's default. @throws PodwrightError kind `invalid-argument` */
export function toAppArmor(fields: ProfileFields, what: string): AppArmorProfile | undefined {
  const profile = toProfile(fields, `AppArmor profile of ${what}`);
  if (profile?.type !== 'Localhost') return profile;
  return { type: 'Localhost', localhostProfile: profile.ref };
}

function toProfile({ profile, text }: ProfileFields, what: string): Profile | undefined {
  if (profile !== undefined) return ofMessage(profile, what);
  return text === '' ? undefined : ofText(text, what);
}

function ofMessage({ profileType, localhostRef }: cri.SecurityProfile, what: string): Profile {
  if (profileType !== ProfileType.Localhost && localhostRef !== '') {
    throw invalid(`The ${what} names "${localhostRef}" (localhost_ref), which only the type Localhost has.`);
  }
  switch (profileType) {
    case ProfileType.RuntimeDefault:
      return { type: 'RuntimeDefault' };
    case ProfileType.Unconfined:
      return { type: 'Unconfined' };
    case ProfileType.Localhost:
      return localhost(localhostRef, what);
    default:
      throw invalid(`The ${what} is of the type ${profileType}, which the CRI does not have.`);
  }
}

function ofText(text: string, what: string): Profile {
  if (text === 'runtime/default' || text === 'docker/default') return { type: 'RuntimeDefault' };
  if (text === 'unconfined') return { type: 'Unconfined' };
  if (text.startsWith(LOCALHOST_PREFIX)) return localhost(text, what);
  throw invalid(
    `The ${what} is "${text}": it has to be runtime/default, unconfined, or localhost/ and the profile's name or path.`,
  );
}

function localhost(text: string, what: string): Profile {
  const ref = text.startsWith(LOCALHOST_PREFIX) ? text.slice(LOCALHOST_PREFIX.length) : text;
  if (ref === '') throw invalid(`The ${what} is of the type Localhost and names none.`);
  return { type: 'Localhost', ref };
}
