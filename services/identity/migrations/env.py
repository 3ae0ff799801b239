from libs.common import migrate
from services.identity.tables import metadata

migrate.run(metadata)
