"""Whether this process runs on EC2, and in which Region: asked of the metadata service, with IMDSv2 alone.

It knows nothing of moves. One address is asked, on this machine's own link, with time-outs that nobody notices.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

import httpx

from pgcutover.facts.ec2 import Whereabouts

SERVICE = "http://169.254.169.254"
TIMEOUT_S = 1.0
"""It answers within milliseconds; outside EC2 nobody does, and everybody would wait for it."""
TOKEN_LIFE_S = 60


def whereabouts(*, endpoint: str, disabled: bool) -> Whereabouts:
    """`endpoint` is another address of the service ('' for its own); `disabled` says that it must not be asked.

    Silence is taken for a machine outside EC2: a container whose packets die after one hop looks the same.
    """
    if disabled:
        return Whereabouts(unknown="AWS_EC2_METADATA_DISABLED is set")
    try:
        # No proxy: whatever stood behind one would not be this machine's service.
        with httpx.Client(base_url=endpoint or SERVICE, timeout=TIMEOUT_S, trust_env=False) as client:
            lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_LIFE_S)}
            token = client.put("/latest/api/token", headers=lifetime)
            token.raise_for_status()
            region = client.get("/latest/meta-data/placement/region", headers={"X-aws-ec2-metadata-token": token.text})
            region.raise_for_status()
            return Whereabouts(region=region.text.strip())
    except httpx.HTTPStatusError as refusal:
        return Whereabouts(unknown=f"the metadata service answered {refusal.response.status_code}")
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        return Whereabouts(unknown="AWS_EC2_METADATA_SERVICE_ENDPOINT is no address")
    except httpx.TransportError:
        return Whereabouts()
