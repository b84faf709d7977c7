"""The audit of a trained model: the contribution of each part."""

from rainrestore.audit.ablation import Gain, SlotAudit
from rainrestore.audit.core import Audit, audit, cheap_audit
from rainrestore.audit.discriminators import DiscriminatorsAudit
from rainrestore.audit.layers import LayersAudit
from rainrestore.audit.maps import ComponentAudit, MapsAudit, RainMapAudit
from rainrestore.audit.report import format_audit, list_findings

__all__ = [
    'Audit',
    'ComponentAudit',
    'DiscriminatorsAudit',
    'Gain',
    'LayersAudit',
    'MapsAudit',
    'RainMapAudit',
    'SlotAudit',
    'audit',
    'cheap_audit',
    'format_audit',
    'list_findings',
]
