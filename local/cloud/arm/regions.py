"""The regions of the public cloud in which resource groups can be.

As Azure lists them itself in its refusal, https://github.com/MicrosoftDocs/executable-docs/issues/74, and those opened since,
https://learn.microsoft.com/azure/reliability/regions-list.
"""

from __future__ import annotations

from local.cloud.arm import errors

_NAMES = (
    *("eastasia", "southeastasia", "australiaeast", "australiasoutheast", "brazilsouth", "canadacentral", "canadaeast"),
    *("switzerlandnorth", "germanywestcentral", "eastus2", "eastus", "centralus", "northcentralus", "francecentral", "uksouth"),
    *("ukwest", "centralindia", "southindia", "jioindiawest", "italynorth", "japaneast", "japanwest", "koreacentral"),
    *("koreasouth", "mexicocentral", "northeurope", "norwayeast", "polandcentral", "qatarcentral", "spaincentral"),
    *("swedencentral", "uaenorth", "westcentralus", "westeurope", "westus2", "westus", "southcentralus", "westus3"),
    *("southafricanorth", "australiacentral", "australiacentral2", "israelcentral", "westindia"),
    *("austriaeast", "belgiumcentral", "chilecentral", "indonesiacentral", "malaysiawest", "newzealandnorth"),
)


def check(location: str) -> None:
    """Raises Azure's 400 for any other; a region may be written with blanks and in any case."""
    if location.replace(" ", "").casefold() not in _NAMES:
        message = f"The provided location '{location}' is not available for resource group. List of available regions is "
        raise errors.refusal(400, "LocationNotAvailableForResourceGroup", f"{message}'{','.join(_NAMES)}'.")
