import type { PlacedContainer, PodView, Report } from './pod-view.js';
import { placedContainers } from './pod-view.js';
import { quantityNanos } from './quantity.js';

const NANOS = 10n ** 9n;
const HUGE_PAGES: Readonly<Record<string, bigint>> = {
  'hugepages-2Mi': 2n * 1024n ** 2n * NANOS,
  'hugepages-1Gi': 1024n ** 3n * NANOS,
};
const RESOURCES = ['cpu', 'memory', 'ephemeral-storage'];

type Amounts = Readonly<Record<string, string | undefined>> | undefined;
type Resources = { readonly limits?: Amounts; readonly requests?: Amounts } | undefined;

/** Requests and limits of one container. */
export function checkResources({ container, path }: PlacedContainer, report: Report): void {
  checkRequests(container.resources, [...path, 'resources'], report);
  const { limits, requests } = container.resources ?? {};
  const at = [...path, 'resources'];
  const names = Object.keys(HUGE_PAGES).filter(
    (name) => limits?.[name] !== undefined || requests?.[name] !== undefined,
  );
  for (const name of names) {
    const [limit, request] = [nanos(limits?.[name]), nanos(requests?.[name])];
    if (limits?.[name] === undefined) {
      report(
        [...at, 'requests', name],
        `needs the same limit, resources.limits["${name}"]: huge pages are not overcommitted`,
      );
    } else if (limit !== undefined && request !== undefined && limit !== request) {
      report(
        [...at, 'requests', name],
        `has to be the limit (${limits[name]}): huge pages are not overcommitted`,
      );
    }
    if (limit !== undefined && limit % (HUGE_PAGES[name] ?? 1n) !== 0n) {
      report([...at, 'limits', name], `has to be a multiple of ${name.slice('hugepages-'.length)}`);
    }
  }
  const others = [limits?.['cpu'], limits?.['memory'], requests?.['cpu'], requests?.['memory']];
  if (names.length > 0 && others.every((amount) => amount === undefined)) {
    report(at, 'has huge pages, which need cpu or memory beside them, as in Kubernetes');
  }
}

/** What all containers have together is no less than what they have one by one. */
export function checkPodResources(pod: PodView, report: Report): void {
  const at = ['spec', 'resources'];
  const shared = pod.spec.resources;
  checkRequests(shared, at, report);
  for (const name of ['cpu', 'memory']) {
    const [limit, request] = [nanos(shared?.limits?.[name]), nanos(shared?.requests?.[name])];
    // Init containers that end have the pod for themselves.
    const together = placedContainers(pod)
      .filter(({ isInit }) => !isInit)
      .map(
        ({ container: { resources } }) =>
          nanos(resources?.requests?.[name] ?? resources?.limits?.[name]) ?? 0n,
      )
      .reduce((sum, amount) => sum + amount, 0n);
    if (request !== undefined && together > request) {
      report([...at, 'requests', name], 'has to be at least what the containers request together');
    }
    if (limit === undefined) continue;
    for (const { container, path } of placedContainers(pod)) {
      const own = nanos(container.resources?.limits?.[name]);
      if (own === undefined || own <= limit) continue;
      report(
        [...path, 'resources', 'limits', name],
        `has to be at most the limit of the pod, spec.resources.limits.${name} (${shared?.limits?.[name]})`,
      );
    }
  }
}

function checkRequests(resources: Resources, at: readonly PropertyKey[], report: Report): void {
  for (const name of RESOURCES) {
    const limit = resources?.limits?.[name];
    const [limitNanos, requestNanos] = [nanos(limit), nanos(resources?.requests?.[name])];
    if (limitNanos !== undefined && requestNanos !== undefined && requestNanos > limitNanos) {
      report([...at, 'requests', name], `has to be at most the limit, resources.limits.${name} (${limit})`);
    }
  }
}

function nanos(amount: string | undefined): bigint | undefined {
  return amount === undefined ? undefined : quantityNanos(amount);
}
