import { ContainerModule } from 'inversify';
import { DEFAULT_SYSTEM_BUS_ADDRESS } from './bus/bus-address.js';
import { BusOptions, ReconnectingBus } from './bus/reconnecting-bus.js';
import { SystemdBus } from './bus/systemd-bus.js';
import { DbusSystemdManager } from './manager/dbus-systemd-manager.js';
import { JobTracker } from './manager/job-tracker.js';
import { ManagerLink } from './manager/manager-link.js';
import { SystemdManager } from './manager/systemd-manager.js';

export interface SystemdModuleOptions {
  /** D-Bus address. Default: the environment's `DBUS_SYSTEM_BUS_ADDRESS`, else `unix:path=/run/dbus/system_bus_socket`. */
  readonly address?: string;
  /** Milliseconds for a D-Bus call without a time of its own. Default: 30000. */
  readonly callTimeoutMs?: number;
  /** Milliseconds for connecting and authenticating. Default: 10000. */
  readonly connectTimeoutMs?: number;
}

/** Binds `SystemdBus` and `SystemdManager`. Reads `Logger`, if it is bound. */
export function systemdModule(options: SystemdModuleOptions = {}): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(BusOptions).toConstantValue({
      address: options.address ?? (process.env['DBUS_SYSTEM_BUS_ADDRESS'] || DEFAULT_SYSTEM_BUS_ADDRESS),
      callTimeoutMs: options.callTimeoutMs ?? 30_000,
      connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    });
    bind(SystemdBus).to(ReconnectingBus).inSingletonScope();
    bind(JobTracker).toSelf().inSingletonScope();
    bind(ManagerLink).toSelf().inSingletonScope();
    bind(SystemdManager).to(DbusSystemdManager).inSingletonScope();
  });
}
