import { defineConformance } from '@podwright/conformance';
import { createSystemdTarget } from './systemd-target.js';

defineConformance({ name: 'systemd', createTarget: createSystemdTarget });
