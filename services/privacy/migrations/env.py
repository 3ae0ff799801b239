from libs.common import migrate
from services.privacy.tables import metadata

migrate.run(metadata)
