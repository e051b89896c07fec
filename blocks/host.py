"""A host, as a Prefect block: its address, and the secrets that open it."""

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from autoloop.agent.channel import Channel, open_channel
from autoloop.agent.client import Client
from autoloop.core.app import HostSpec


class Host(Block):
    """A server reached over SSH, or this machine (address "local")."""

    _block_type_name = "autoloop host"
    _block_type_slug = "autoloop-host"

    address: str = Field(
        default="local", description="name or IP address; 'local' for this machine"
    )
    port: int = 22
    user: str = "root"
    sudo: bool = Field(default=False, description="become root by sudo -n")
    identity_file: str = Field(default="", description="path of a private key on the platform")
    known_hosts: str = Field(
        default="", description="lines of known_hosts, or the path of such a file"
    )
    state_dir: str = Field(
        default="", description="state folder on the host; empty for the default"
    )
    private_key: SecretStr = SecretStr("")
    password: SecretStr = SecretStr("")

    @classmethod
    def of(cls, spec: HostSpec) -> "Host":
        """The block for the ``[host]`` part of an ``autoloop.toml``."""
        return cls(**spec.model_dump())

    def spec(self) -> HostSpec:
        """The part that holds no secret."""
        return HostSpec(
            address=self.address,
            port=self.port,
            user=self.user,
            sudo=self.sudo,
            identity_file=self.identity_file,
            known_hosts=self.known_hosts,
            state_dir=self.state_dir,
        )

    def channel(self, source: bytes = b"") -> Channel:
        """One new connection to the program *source* there; empty for the agent."""
        key, password = self.private_key.get_secret_value(), self.password.get_secret_value()
        return open_channel(self.spec(), key, password, source)

    def connect(self) -> Client:
        """One new connection to the agent there."""
        channel = self.channel()
        try:
            return Client(channel, self.state_dir)
        except BaseException:
            channel.close()
            raise
