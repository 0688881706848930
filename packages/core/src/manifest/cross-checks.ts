import { checkContainer } from './container-checks.js';
import { checkEffects } from './effect-checks.js';
import { crossCheckMetadata } from './metadata-checks.js';
import { checkPodWide, checkResourceReferences, checkVolumes } from './pod-checks.js';
import { placedContainers, podView, type Report, reportRepeated } from './pod-view.js';
import { checkHostPorts, checkPorts } from './port-checks.js';
import { type ManifestProblem, problemAt } from './problems.js';
import { checkPodResources, checkResources } from './resource-checks.js';

/** What no single field shows: names that come twice, references to nowhere, settings that exclude each other. */
export function crossCheck(input: unknown): ManifestProblem[] {
  const problems: ManifestProblem[] = [];
  const report: Report = (path, message) => problems.push(problemAt(input, path, message));
  crossCheckMetadata(input, report);
  const parsed = podView.safeParse(input);
  if (!parsed.success) return problems;
  const pod = parsed.data;
  checkVolumes(pod, report);
  const placed = placedContainers(pod);
  reportRepeated(
    placed,
    ({ container }) => container.name,
    (index) => report([...(placed[index]?.path ?? []), 'name'], 'has the name of an earlier container'),
  );
  for (const one of placed) {
    checkContainer(one, pod, report);
    checkPorts(one, pod.spec.hostNetwork === true, report);
    checkResources(one, report);
    checkEffects(one, pod, report);
  }
  checkResourceReferences(pod, report);
  checkPodResources(pod, report);
  checkHostPorts(pod, report);
  checkPodWide(pod, report);
  return problems;
}
