"""What all dashboards share: colours, the levels of DORA's reports, and where things are."""

from math import inf, nextafter
from typing import Final

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import DataSourceRef, FieldColorModeId, Threshold, ThresholdsMode

TAG: Final = "candora"
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")

# The same as in deploy/prometheus/config.libsonnet; a test compares them.
SERVING_URL: Final = "http://candora-serving:9464"
CANARY_ERROR_RATIO: Final = 0.02
CANARY_OBJECTIVE: Final = 0.999
FAILURE_RATE_TARGET: Final = 0.15
UNATTRIBUTED_SHARE: Final = 0.5
REHEARSE_SECONDS: Final = 30 * 86_400
LAG_MESSAGES: Final = 1000
LOG_SILENT_SECONDS: Final = 300
SERVICE_SILENT_SECONDS: Final = 7 * 86_400

# Okabe and Ito's palette, which people with any colour vision tell apart.
BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
YELLOW: Final = "#F0E442"
ORANGE: Final = "#E69F00"
RED: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
GREY: Final = "#999999"
PLAIN: Final = "text"
"""The colour of text, which says nothing."""

HOUR: Final = 3600
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
MONTH: Final = 30 * DAY

Steps = tuple[tuple[float, str], ...]
"""Colours that begin at a value, rising."""


def _up_to(elite: float, high: float, medium: float) -> Steps:
    """Less is better: a level has its edge too, while a colour begins at its own."""
    return tuple((nextafter(edge, inf), color) for edge, color in ((elite, SKY), (high, ORANGE), (medium, RED)))


# The levels of the 2023 report, as `candora report` has them: elite, high, medium, low. A test compares the two.
FAILURE_RATE_LEVELS: Final = _up_to(0.05, 0.10, 0.15)
LEAD_TIME_LEVELS: Final = _up_to(DAY, WEEK, MONTH)
RECOVERY_LEVELS: Final = _up_to(HOUR, DAY, WEEK)
FREQUENCY_LEVELS: Final[Steps] = ((1 / 30, ORANGE), (1 / 7, SKY), (1, GREEN))
LEVELS: Final = """\
| | Elite | High | Medium | Low |
|---|---|---|---|---|
| **Colour** | green | blue | orange | red |
| **Deployments** | on demand: daily or more | weekly or more | monthly or more | fewer |
| **Lead time** | under a day | under a week | under a month | longer |
| **Change failure rate** | to 5 % | to 10 % | to 15 % | more |
| **Recovery** | under an hour | under a day | under a week | longer |

Levels after the *Accelerate State of DevOps Report* of **2023**. They are of one application: choose one service before
you compare. In that survey medium and low differ in failures and recovery only; other years draw other lines."""


def thresholds(steps: Steps, below: str = PLAIN) -> builders.ThresholdsConfig:
    """The colours of a value."""
    first = Threshold(value=None, color=below)
    later = [Threshold(value=value, color=color) for value, color in steps]
    return builders.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([first, *later])


def by_threshold() -> builders.FieldColor:
    """Coloured by the thresholds."""
    return builders.FieldColor().mode(FieldColorModeId.THRESHOLDS)


def by_name() -> builders.FieldColor:
    """A colour for each name: a service has the same in every panel."""
    return builders.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME)


def legend(*calcs: str) -> common_builders.VizLegendOptions:
    """A legend below; a table if it shows numbers."""
    mode = common.LegendDisplayMode.TABLE if calcs else common.LegendDisplayMode.LIST
    options = common_builders.VizLegendOptions().display_mode(mode).placement(common.LegendPlacement.BOTTOM)
    return options.show_legend(True).calcs(list(calcs))


def tooltip() -> common_builders.VizTooltipOptions:
    """All series at once, the largest first."""
    return common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
