from libs.common import migrate
from services.privacy.rights.tables import metadata

migrate.run(metadata)
